"""Addresses and command lines without passwords, as they may be shown and kept.

No list has all secret words, so an address shows only what is known to be harmless: in a query, a fragment, pairs in a
path and the properties of a pipeline, the values of HARMLESS keys; a login is hidden completely. In a command line most
options are harmless, so only the values of options with names of secrets are hidden. Redacting twice changes nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "…"
HARMLESS = frozenset(
    """
    width height w h fps rate framerate frame-rate resolution size quality fourcc seconds format codec compression
    bitrate channel channels ch chn chid channelid camera cam cameraid index stream streams streamid streamtype
    stream-type stream-profile profile subtype substream real_stream type mode transport transportmode protocol
    protocols proto tcp udp unicast multicast timeout latency buffer-size listen mirror rotation

    location uri device device-index host port address sensor-id sensor-mode io-mode media payload clock-rate
    encoding-name caps name pattern num-buffers is-live do-timestamp drop drop-on-latency max-buffers max-size-buffers
    max-size-time max-size-bytes leaky sync async emit-signals flip-method interlace-mode pixel-aspect-ratio colorimetry
    wbmode exposuretimerange gainrange max-rate n-threads add-borders
    """.split()  # noqa: SIM905 - a hundred words; the second half is of pipelines
)
_SECRET_PARTS = re.compile(
    r"(?i)(?:^|[_.-])(?:user|users|username|login|\w*pass|\w*passwd|\w*password|passphrase|pwd|pw|psw|pin|otp|psk|keys?"
    r"|\w*apikey|\w*tokens?|\w*secrets?|auth|authorization|authentication|credentials?|creds?|cookies?|session|sessionid"
    r"|sid|bearer|sig|signature|jwt|pat)(?:[_.-]|$)"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CLEAN = re.compile(r"[\w.,:/*+()|-]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]")
_PATH_PAIR = re.compile(
    r"(^|[/\\&;,_\s])([A-Za-z][A-Za-z0-9.-]*)=(.*?)(?=[/\\&;,_\s][A-Za-z][A-Za-z0-9.-]*=|$)", re.DOTALL
)
_NAME = r"[A-Za-z_][\w.:-]*"
_PROPERTY = re.compile(
    rf"({_NAME})(\s*=\s*)(?:\"((?:\\.|[^\"\\])*)(\"|$)|'((?:\\.|[^'\\])*)('|$)"
    rf"|(.*?)(?=\s+!(?:\s|$)|[\s,;]+{_NAME}\s*=|\s*$))",
    re.DOTALL,
)
_ASSIGNED = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*)=(.*)", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z][\w-]*):(\s*)(?![/\\\s])(.*)", re.DOTALL)
_QUOTED = re.compile(r"""(["'])([A-Za-z][\w.-]*)\1(\s*:\s*)(?:"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s,}\]]+)""")  # as in JSON
_LOGIN = re.compile(r"-[A-Za-z]*u")  # curl's and others': -u USER:PASSWORD, also behind other letters
_COMMAND = re.compile(r"""\s*[({!\s]*(?:["']?[\w./~+-]+["']?|[A-Za-z_]\w*=\S*)\s""")  # how a command in one word begins
_HOST = re.compile(r"(?:[^:@/?#]*|\[[^\]]*\])(?::\d*)?")

Hide = Callable[[str], str]  # takes a secret, returns its replacement


def shown_address(text: str) -> str:
    """A source as people may see it: a URL, a pipeline, a path; harmless ones unchanged.

    All between `//` and the last `@` is hidden; with one slash or none, only if a `:` comes before the `@`.
    """
    return _address(text, lambda secret: HIDDEN)


def shown_command(words: Sequence[str]) -> str:
    """A command line, quoted as for a shell, without the secrets of options, addresses and quoted commands."""
    return shlex.join(_words(words))


def shown_command_text(text: str) -> str:
    """A command line as text, as in an older record; unchanged if there is nothing to hide."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that does not end
        words = re.sub("//.*@", f"//{HIDDEN}@", text, flags=re.DOTALL).split()
    masked = _words(words)
    return text if masked == words else shlex.join(masked)


def hidden_in(message: str, address: str) -> str:
    """A library's message about an address, without the secrets of that address in any spelling."""
    secrets: list[str] = []

    def collect(secret: str) -> str:
        secrets.append(secret)
        return HIDDEN

    message = message.replace(address, _address(address, collect))
    pieces = {piece for secret in secrets for piece in (secret, *re.split(r"[^\w.~-]+", secret))}
    forms = {form for piece in pieces for form in (piece, unquote(piece), quote(piece, safe=""), quote_plus(piece))}
    forms |= {quote(form) for form in forms}
    for form in sorted(filter(None, forms - {HIDDEN}), key=len, reverse=True):
        # A short one, such as the user "a", would match inside words.
        begin, end = (r"(?<![^\W_])", r"(?![^\W_])") if len(form) < 4 else ("", "")
        message = re.sub(begin + re.escape(form) + end, HIDDEN, message)
    return message


def login_letters(address: str) -> str:
    """The remedy for a login with letters that an address must encode; "" if it has none."""
    begin = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/*", address)
    login, found, _ = (address[begin.end() :] if begin else address).rpartition("@")
    if not found or not (set(login) & set("#/?@ ")):
        return ""
    return "; in a password write # as %23, / as %2F, ? as %3F, @ as %40, a space as %20"


def _address(text: str, hide: Hide) -> str:
    if text[:4].lower() == "gst:":
        return text[:4] + _pipeline(text[4:], hide)
    scheme = _SCHEME.match(text)
    local = scheme is None or text[: scheme.end() - 2].lower() == "file"
    begin, login, rest = _parted(text, local=local)
    if login:
        begin += hide(login) + "@"
        if _may_be_no_login(login):
            return begin + (hide(rest) if rest else "")
    mark = re.search(r"[?#]", rest)
    path, tail = (rest[: mark.start()], rest[mark.start() :]) if mark else (rest, "")
    # Most sources without a scheme are files, which may have any name.
    shown = _PATH_PAIR.sub(lambda pair: pair[1] + _pair(pair[2], pair[3], hide, all_keys=not local), path)
    pieces = re.split(r"([?&;#])", tail)
    for index, item in enumerate(pieces[::2]):
        if shown != path and item.partition("=")[0].lower() not in HARMLESS:  # a secret may continue after the mark
            pieces[2 * index] = hide(item) if item else ""
        else:
            pieces[2 * index] = _item(item, hide, local=local)
    return begin + shown + "".join(pieces)


def _parted(text: str, *, local: bool) -> tuple[str, str, str]:
    """The text before a login, the login or "", and the text after the last @."""
    head, found, rest = text.rpartition("@")
    slashes = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]+|[/\\]{2,}", head)
    begin = slashes.end() if slashes else 0
    if not found or ((local or not slashes) and ":" not in head[begin:]):
        return "", "", text
    return head[:begin], head[begin:], rest


def _may_be_no_login(text: str) -> bool:
    """Whether the last @ may be part of a query, so that a secret may continue after it."""
    host = re.split(r"[/?#]", text, maxsplit=1)[0]
    return bool(re.search(r"[/?#&;\s][\w.-]+\s*=", text) or (_HOST.fullmatch(host) and re.search(r"[?#]", text)))


def _item(item: str, hide: Hide, *, local: bool) -> str:
    """The text between two marks of a query or fragment."""
    key, assigned, value = item.partition("=")
    if assigned:
        return _pair(key, value, hide, all_keys=True)
    return item if local or not item or item.lower() in HARMLESS else hide(item)


def _pair(key: str, value: str, hide: Hide, *, all_keys: bool) -> str:
    harmless = key.lower() in HARMLESS and _CLEAN.fullmatch(value)
    secret = not harmless if all_keys else _names_secret(key)
    return f"{key}={hide(value) if secret and value else value}"


def _pipeline(text: str, hide: Hide) -> str:
    begin, end = text.find("//"), text.rfind("@")
    if 0 <= begin < end:
        login, rest = text[begin + 2 : end], text[end + 1 :]
        if _may_be_no_login(login):  # up to the next element anything may be secret
            secret, link, after = rest.partition(" ! ")
            rest = hide(secret) + link + after
        text = f"{text[: begin + 2]}{hide(login)}@{rest}"
    return _PROPERTY.sub(lambda found: _property(found, hide), text)


def _property(found: re.Match[str], hide: Hide) -> str:
    key, assigned, double, double_end, single, single_end, bare = found.groups()
    value = next(text for text in (double, single, bare) if text is not None)
    mark, end = ("", "") if bare is not None else ('"', double_end) if double is not None else ("'", single_end)
    if key.lower() not in HARMLESS:
        value = hide(value) if value else value
    elif _SCHEME.match(value) or "@" in value or "?" in value:
        value = _address(value, hide)
    elif "=" in value:  # caps in quotes
        value = _pipeline(value, hide)
    return f"{key}{assigned}{mark}{value}{end}"


def _words(words: Sequence[str]) -> list[str]:
    masked: list[str] = []
    before = ""
    for word in words:
        option = re.fullmatch(r"-{1,2}[A-Za-z][\w.-]*", before)
        secret = (option and _names_secret(before.lstrip("-"))) or (_LOGIN.fullmatch(before) and ":" in word)
        joined = re.fullmatch(rf"({_LOGIN.pattern})[^:=/]*:.*", word, re.DOTALL)
        masked.append(HIDDEN if secret else joined[1] + HIDDEN if joined else _word(word))
        before = word
    return masked


def _word(word: str) -> str:
    if found := _ASSIGNED.fullmatch(word):
        return f"{found[1]}={HIDDEN if _names_secret(found[1].lstrip('-')) else _word(found[2])}"
    if (found := _HEADER.fullmatch(word)) and _names_secret(found[1]):
        return f"{found[1]}:{found[2]}{HIDDEN}"
    if any(_names_secret(found[2]) for found in _QUOTED.finditer(word)):
        return _QUOTED.sub(_quoted, word)
    return shown_command_text(word) if _COMMAND.match(word) else shown_address(word)


def _quoted(found: re.Match[str]) -> str:
    return f'{found[1]}{found[2]}{found[1]}{found[3]}"{HIDDEN}"' if _names_secret(found[2]) else found[0]


def _names_secret(name: str) -> bool:
    return _SECRET_PARTS.search(_CAMEL.sub("_", name)) is not None
