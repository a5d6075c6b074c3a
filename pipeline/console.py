"""What all of `andon …` shares: where people read, how errors look to them, and the configuration's place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.errors import AndonError, ConfigError

if TYPE_CHECKING:
    from pipeline.assembly import Assembly

EXIT_CONFIG, EXIT_ERROR = 2, 1

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration; paths in it are relative to it.", show_default=True)
]
DEFAULT_CONFIG = Path("andon.yaml")
err = Console(stderr=True, highlight=False)


def assembly_of(path: Path) -> "Assembly":
    """What `path` configures."""
    from pipeline.assembly import Assembly

    return Assembly(path)


@contextmanager
def explained(part: str) -> Iterator[None]:
    """Errors that a user can mend, as text instead of a traceback."""
    from pipeline.process import configure_logging

    configure_logging(part)
    try:
        yield
    except ConfigError as error:
        err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_CONFIG) from None
    except AndonError as error:
        err.print(f"andon {part}: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_ERROR) from None
