"""`andon demo`: real applications break and recover, and everybody can watch.

run         a whole run: stage, plays, verdict, exit code
script      what is played, and what must be seen of it (pure)
play        plays a script on a stage
stage       Andon, the shop and its shoppers, running
shop        the example shop as commands
children    child processes and their bounded end
watch       looks at the page, the API and the tables
narrator    tells people about it
"""

from pipeline.errors import AndonError

try:
    from pipeline.demo.run import run_demo
except ModuleNotFoundError as error:
    raise AndonError(f"the demo needs {error.name}: pip install 'andon[demo]'") from error

__all__ = ["run_demo"]
