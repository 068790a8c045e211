"""Files inside a JSON, as text."""

from __future__ import annotations

import binascii
from base64 import b64decode

from edgeunet.errors import ImageError


def bytes_from_base64(text: str, what: str) -> bytes:
    """The bytes; line breaks do not matter. what: the text is, for the ImageError of one that is not base64."""
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"has {what} that is not base64 ({error})") from error
