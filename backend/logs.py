"""How both processes log: one clean line per event, to standard error."""

import logging
import warnings


def configure(level: str) -> None:
    """`level` as --loglevel takes it ("INFO", "debug"); "" or an unknown word = INFO."""
    number = logging.getLevelName(level.upper())
    logging.basicConfig(
        level=number if isinstance(number, int) else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    for chatty in ("httpx", "httpcore", "PIL", "asyncio", "urllib3", "watchdog", "python_multipart", "markdown_it", "matplotlib", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")  # of a damaged EXIF block, which is passed over
