"""HTTP/1.1 answers read piece by piece, their bodies counted and thrown away: all a prober needs to know of them."""

HEAD_LIMIT = 64 * 1024  # bytes of a head before it counts as no HTTP


class NotHttp(Exception):
    """What came is no HTTP/1.1 answer."""


class AnswerReader:
    """Reads one answer to a GET from pieces of any size.

    ``complete`` tells that it is all there; ``reusable`` that the connection may carry another request.
    """

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self.reusable = False
        self._head = bytearray()
        self._left = -1  # bytes of the body (or of the chunk) to come; -1: up to the connection's end
        self._chunked = False
        self._line = bytearray()
        self._trailers = False

    @property
    def begun(self) -> bool:
        """Whether any byte of the answer has come."""
        return self.status != 0 or bool(self._head)

    def feed(self, data: bytes) -> None:
        """Take what has come; raise :class:`NotHttp`."""
        while data and not self.complete:
            if self.status == 0:
                data = self._feed_head(data)
            elif self._chunked:
                data = self._feed_chunks(data)
            elif self._left < 0:
                return
            else:
                self._left -= len(data)
                data = b""
                self.complete = self._left <= 0
        if data:
            # Something behind the answer's end: whatever it is, it belongs to no request of ours.
            self.reusable = False

    def end(self) -> None:
        """Take note that the connection ended; an answer without a length is complete by that."""
        if self.status and not self._chunked and self._left < 0:
            self.complete = True
        self.reusable = False

    def _feed_head(self, data: bytes) -> bytes:
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > HEAD_LIMIT:
                raise NotHttp("its head has no end")
            return b""
        lines = bytes(self._head[:end]).split(b"\r\n")
        rest = bytes(self._head[end + 4 :])
        self._head.clear()
        status = _status(lines[0])
        if status >= 200:
            self._read_head(status, lines)
        return rest

    def _read_head(self, status: int, lines: list[bytes]) -> None:
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        self.status = status
        self.reusable = lines[0].startswith(b"HTTP/1.1") and headers.get(b"connection") != b"close"
        self._chunked = headers.get(b"transfer-encoding", b"").endswith(b"chunked")
        if status in (204, 304):
            self._left = 0
            self._chunked = False
        elif self._chunked:
            self._left = 0
        elif b"content-length" in headers:
            self._left = _number(headers[b"content-length"], 10)
        self.complete = self._left == 0 and not self._chunked

    def _feed_chunks(self, data: bytes) -> bytes:
        if self._left > 0:
            taken = min(self._left, len(data))
            self._left -= taken
            return data[taken:]
        end = data.find(b"\n")
        self._line += data if end < 0 else data[:end]
        if len(self._line) > HEAD_LIMIT:
            raise NotHttp("a chunk's line has no end")
        if end >= 0:
            line = bytes(self._line.strip())
            self._line.clear()
            self._chunk_line(line)
        return b"" if end < 0 else data[end + 1 :]

    def _chunk_line(self, line: bytes) -> None:
        if self._trailers:
            self.complete = not line
        elif line:
            size = _number(line.partition(b";")[0].strip(), 16)
            self._trailers = size == 0
            self._left = size
        # An empty line ends the chunk before it.


def _status(line: bytes) -> int:
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or len(parts[1]) != 3 or not parts[1].isdigit():
        raise NotHttp("no HTTP answer")
    return int(parts[1])


def _number(text: bytes, base: int) -> int:
    try:
        value = int(text, base)
    except ValueError:
        raise NotHttp("a length that is no number") from None
    if value < 0:
        raise NotHttp("a length that is no number")
    return value
