"""A1111's other name of `launch`."""

from launch import args, index_url, is_installed, python, requirements_met, run, run_pip

__all__ = ["args", "index_url", "is_installed", "python", "requirements_met", "run", "run_pip"]
