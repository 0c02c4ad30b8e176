"""The files that hold keys; what cannot be read is told without a word of what stands in them."""

from pathlib import Path


def read_data_keys(path: Path) -> str:
    """Read the file of the data keys. Raises ValueError where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"BN_DATA_KEY_FILE cannot be read ({type(error).__name__})") from error


def read_private_pem(path: Path) -> str:
    """Read the file of the keys that sign. Raises ValueError also where others may read it."""
    try:
        others_may_read = path.stat().st_mode & 0o077
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise ValueError("BN_SIGNING_KEY_FILE cannot be read as a PEM file.") from None
    if others_may_read:
        raise ValueError("BN_SIGNING_KEY_FILE is open to its group or to others; chmod 600 it.")
    return text
