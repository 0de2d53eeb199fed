"""Refuses to build a wheel without the screens; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.errors import SetupError

BUILT = Path(__file__).parent / "api" / "pages" / "built"
SCREENS = ("chat", "dentist", "desk", "patient", "status")


class BuildWithScreens(build_py):
    """A wheel contains the built screens; an editable installation builds them later."""

    def run(self) -> None:
        missing = [name for name in SCREENS if not (BUILT / f"{name}.html").is_file()]
        if missing and not self.editable_mode:
            raise SetupError(
                f"The screens are not built ({', '.join(missing)}): run `make web` first"
            )
        super().run()


setup(cmdclass={"build_py": BuildWithScreens})
