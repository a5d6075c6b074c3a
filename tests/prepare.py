"""Install the system packages that tests need, where that can be done; say so where it cannot.

Debian's Chromium, and its Node with npm. Without root nothing is installed, and the tests that need it skip with the
reason.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}  # program: Debian package
TIMEOUT_S = 600


def main() -> int:
    """Install what is missing."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"not installed, and tests that need it will skip: {', '.join(missing)} (needs root on Debian)")
        return 0
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", *missing]):
        done = subprocess.run(command, env=environment, timeout=TIMEOUT_S, check=False, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
