"""A file server that misbehaves in the ways real ones do."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest


@pytest.fixture
def server(monkeypatch):
    """A server of `files` by path, and of `content` for any other path.

    `drop_after`: close the line once after so many bytes; `ranges`: honour Range; `status`: answer every
    request with it, `statuses`: those of some paths; `before`: called with the path before anything is sent;
    `wait`: path of a file that is sent as far as its middle until the event `go_on` is set. `requests` are
    the ranges asked for and `asked` the paths.
    """
    state = SimpleNamespace(
        files={},
        content=b"",
        drop_after=None,
        ranges=True,
        status=None,
        statuses={},
        before=lambda path: None,
        wait=None,
        go_on=threading.Event(),
        requests=[],
        asked=[],
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, wanted = self.path.lstrip("/"), self.headers.get("Range")
            state.asked.append(path)
            state.requests.append(wanted)
            state.before(path)
            if status := state.statuses.get(path, state.status):
                return self.send_error(status)
            content = state.files.get(path, state.content)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            body = content[start:]
            self.send_response(206 if wanted and state.ranges else 200)
            self.send_header("Content-Length", str(len(body)))
            if wanted and state.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.close_connection = True
            if path == state.wait:
                self.wfile.write(body[: len(body) // 2])
                state.go_on.wait(5)
                body = body[len(body) // 2 :]
            cut, state.drop_after = state.drop_after, None
            try:
                self.wfile.write(body[:cut])
            except ConnectionError:  # the other side has hung up
                pass

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # by default the sixth of several at once has to knock again after a second

    httpd = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state.url = f"http://127.0.0.1:{httpd.server_port}/"
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()
