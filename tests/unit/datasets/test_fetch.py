"""Raw files from mirrors: only the right content is kept, and an error says what each mirror had."""

import gc
import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rehash.datasets.fetch import fetch_file
from rehash.errors import InputError

CONTENT = b"\0\0\x08\x01\0\0\0\x05hello"
PACKED = gzip.compress(CONTENT, mtime=0)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.requests.append(self.path)
        if status := {"broken": 503, "denied": 403}.get(self.path.split("/")[1]):
            self.send_error(status)
        else:
            super().do_GET()

    def end_headers(self):
        if self.path.startswith("/labelled"):  # as Apache's AddEncoding does
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    for folder, body in {
        "good": gzip.compress(CONTENT),
        "other": gzip.compress(b"other content"),
        "html": b"<html>Not what you asked for</html>",
        "cut": gzip.compress(CONTENT * 9999)[:-20],
        "labelled": PACKED,
    }.items():
        (tmp_path / "www" / folder).mkdir(parents=True)
        (tmp_path / "www" / folder / "f.gz").write_bytes(body)
    (tmp_path / "www" / "plain").mkdir()
    (tmp_path / "www" / "plain" / "f").write_bytes(CONTENT)
    Handler.requests = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "www")))
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_mirrors_are_tried_in_order_until_the_checksum_is_right(tmp_path, server):
    mirrors = [
        str(tmp_path / "nowhere"),
        f"{server}/absent",
        f"{server}/html",
        f"{server}/cut",
        f"{server}/other",
        f"{server}/good",
    ]
    fetch_file("f", mirrors, MD5, tmp_path / "out" / "f", pause_s=0)
    assert (tmp_path / "out" / "f").read_bytes() == CONTENT
    asked = ["absent/f.gz", "absent/f", "html/f.gz", "cut/f.gz", "other/f.gz", "good/f.gz"]
    assert Handler.requests == [f"/{path}" for path in asked]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["f"]


def test_no_mirror_has_it(tmp_path, server):
    with pytest.raises(InputError) as error:
        fetch_file(
            "f",
            [f"{server}/{folder}" for folder in ("html", "cut", "other", "broken", "absent", "denied")],
            MD5,
            tmp_path / "out" / "f",
            pause_s=0,
        )
    text = str(error.value)
    assert "/html: truncated or not a gzip file" in text and "/cut: truncated or not a gzip file" in text
    assert (
        f"/other: checksum of the decompressed content is {hashlib.md5(b'other content').hexdigest()}, expected {MD5}"
        in text
    )
    assert "/absent: no file f.gz or f at this address (404" in text and "/denied: no file f.gz or f" in text
    assert "/broken: 503 Server Error" in text
    assert Handler.requests.count("/broken/f.gz") == 3, "a failing server is tried again"
    tried = [line.split(": ")[0].removeprefix(f"  {server}/") for line in text.splitlines() if line.startswith("  ")]
    assert text.startswith("f: no mirror had it:\n") and tried == ["html", "cut", "other", "broken", "absent", "denied"]
    assert [Handler.requests.count(f"/{folder}/f.gz") for folder in ("html", "cut", "other", "absent", "denied")] == [
        1
    ] * 5
    assert not list((tmp_path / "out").iterdir())
    gc.collect()  # warns of a connection that was left open


def test_a_server_that_recovers_is_asked_until_it_does(tmp_path, server, monkeypatch, caplog):
    """It answers that it is busy twice; with a pause that doubles, and the reason in the log each time."""
    answer, pauses = Handler.do_GET, []

    def busy_at_first(self):
        if len(Handler.requests) < 2:
            self.requests.append(self.path)
            self.send_error(429)
        else:
            answer(self)

    monkeypatch.setattr(Handler, "do_GET", busy_at_first)
    monkeypatch.setattr("time.sleep", pauses.append)
    fetch_file("f", [f"{server}/good"], MD5, tmp_path / "out", pause_s=0.5)
    assert (tmp_path / "out").read_bytes() == CONTENT and Handler.requests == ["/good/f.gz"] * 3
    assert pauses == [0.5, 1] and caplog.text.count("429 Client Error") == 2
    gc.collect()  # warns of a connection that was left open


@pytest.mark.parametrize("name", ["f.gz", "f"])
def test_local_folder(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(CONTENT) if name.endswith("gz") else CONTENT)
    fetch_file("f", [str(tmp_path)], MD5, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_a_mirror_may_hold_the_file_unpacked(tmp_path, server):
    fetch_file("f", [f"{server}/plain"], MD5, tmp_path / "out" / "f")
    assert (tmp_path / "out" / "f").read_bytes() == CONTENT and Handler.requests == ["/plain/f.gz", "/plain/f"]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["f"]


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz", ".gz", ".zip", ".mat", ".npz"])
def test_an_archive_is_fetched_as_it_is(tmp_path, server, ending):
    name, md5 = f"a{ending}", hashlib.md5(PACKED).hexdigest()
    (tmp_path / "www" / "good" / name).write_bytes(PACKED)
    for mirror in (f"{server}/good", str(tmp_path / "www" / "good")):
        fetch_file(name, [mirror], md5, tmp_path / "out" / name)
        assert (tmp_path / "out" / name).read_bytes() == PACKED
    assert Handler.requests == [f"/good/{name}"]
    with pytest.raises(InputError, match=f"no file {name} in this folder\n"):
        fetch_file(name, [str(tmp_path)], md5, tmp_path / "out" / name)
    with pytest.raises(InputError, match="checksum of the file is"):
        fetch_file(name, [f"{server}/good"], MD5, tmp_path / "out" / name)


def test_a_server_that_calls_packed_files_encoded_does_not_unpack_them(tmp_path, server):
    fetch_file("f", [f"{server}/labelled"], MD5, tmp_path / "f")
    fetch_file("f.gz", [f"{server}/labelled"], hashlib.md5(PACKED).hexdigest(), tmp_path / "f.gz")
    assert (tmp_path / "f").read_bytes() == CONTENT and (tmp_path / "f.gz").read_bytes() == PACKED
