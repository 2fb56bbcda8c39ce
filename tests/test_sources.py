"""Where structures come from: files, the PDB and AlphaFold DB, against a server of our own."""

import gzip
import hashlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockkit.core.errors import StructureError
from dockkit.structure.fetching import Patience, cache_folder
from dockkit.structure.sources import Located, locate, what_is

CIF = b"data_1ABC\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2.0\n"
PACKED = gzip.compress(CIF, mtime=0)
QUICK = Patience(retries=2, timeout_seconds=0.3, total_seconds=1.0, backoff_seconds=0.01)

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Answers each path by a list of answers, the last one for ever after; counts what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                outer.asked.append(self.path)
                left = outer.answers.get(self.path, [status(404)])
                (left.pop(0) if len(left) > 1 else left[0])(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def status(code: int) -> Answer:
    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return send


def body(data: bytes, length: int | None = None) -> Answer:
    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)

    return send


def hang(handler: http.server.BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def trickle(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(40):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def get(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Located]:
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def run(text: str, **options: object) -> Located:
        bases = {"pdb": server.url, "alphafold": server.url}
        values = {"cache_dir": tmp_path / "cache", "base_urls": bases, "patience": QUICK, **options}
        return locate(text, **values)  # type: ignore[arg-type]

    return run


# --------------------------------------------------------------------------- what a word means


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1iep", ("pdb", "1iep")), ("1IEP", ("pdb", "1iep")), (" 5L2S ", ("pdb", "5l2s")),
        ("pdb_00001iep", ("pdb", "1iep")), ("PDB_00001IEP", ("pdb", "1iep")), ("pdb_1000abcd", ("pdb", "pdb_1000abcd")),
        ("P00519", ("alphafold", "AF-P00519-F1")), ("q9bxm7", ("alphafold", "AF-Q9BXM7-F1")),
        ("A0A024R1R8", ("alphafold", "AF-A0A024R1R8-F1")), ("P00519-2", ("alphafold", "AF-P00519-2-F1")),
        ("AF-P00519-F1", ("alphafold", "AF-P00519-F1")), ("af-p00519-f2", ("alphafold", "AF-P00519-F2")),
        ("AF-P00519-F1-model_v4", ("alphafold", "AF-P00519-F1")),
        ("abl1-1iep", ("", "")), ("0abc", ("", "")), ("ABL1_HUMAN", ("", "")), ("1iepx", ("", "")), ("P0051", ("", "")),
        ("AF-P0051X-F1", ("", "")), ("pdb_1iep", ("", "")), ("ABL1", ("", "")),
    ],
)  # fmt: skip
def test_the_form_of_a_word_tells_what_it_names(text: str, meaning: tuple[str, str]) -> None:
    assert what_is(text) == meaning


def test_a_file_is_taken_as_it_is(get: Callable[..., Located], server: Server, tmp_path: Path) -> None:
    path = tmp_path / "mine.cif"
    path.write_bytes(CIF)
    found = get(str(path))
    assert (found.kind, found.path, found.identifier, found.url, found.note) == ("file", path, "mine.cif", "", "")
    assert found.sha256 == hashlib.sha256(CIF).hexdigest()
    assert server.asked == []


def test_a_file_wins_over_an_id_and_that_is_said(get: Callable[..., Located], server: Server, tmp_path: Path) -> None:
    (tmp_path / "1iep").write_bytes(CIF)
    found = get("1iep")
    assert found.kind == "file"
    assert found.note == "the file 1iep was taken, not the PDB entry 1iep"
    assert server.asked == []


def test_a_folder_of_that_name_does_not_hide_an_id(
    get: Callable[..., Located], server: Server, tmp_path: Path
) -> None:  # fmt: skip
    (tmp_path / "1abc").mkdir()
    server.answers["/1abc.cif.gz"] = [body(PACKED)]
    assert get("1abc").kind == "pdb"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no structure given"), ("./mine.pbd", r"no such structure file.*did you mean 'mine.pdb'"),
        ("nowhere/mine.pdb", "folder does not exist"), ("some", "a folder, not a structure"),
        ("imatinb-complex", "is no file, no PDB id"), ("x" * 5000, "is no file, no PDB id"), ("a\0b", "is no file"),
    ],
)  # fmt: skip
def test_what_is_neither_says_so(get: Callable[..., Located], tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.pdb").write_bytes(CIF)
    (tmp_path / "some").mkdir()
    with pytest.raises(StructureError, match=words):
        get(text)


# --------------------------------------------------------------------------- the PDB


def test_an_entry_is_fetched_once_and_checked_when_used_again(
    get: Callable[..., Located], server: Server, tmp_path: Path
) -> None:  # fmt: skip
    server.answers["/1abc.cif.gz"] = [body(PACKED)]
    first, second = get("1ABC"), get("pdb_00001abc")
    assert server.asked == ["/1abc.cif.gz"]
    assert first == second
    assert first.path == tmp_path / "cache" / "pdb" / "1abc.cif.gz"
    assert first.path.read_bytes() == PACKED
    record = json.loads((tmp_path / "cache" / "pdb" / "1abc.cif.gz.json").read_text())
    assert record["sha256"] == first.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert record["url"] == first.url == f"{server.url}/1abc.cif.gz"
    assert get("1abc", refresh=True).sha256 == first.sha256
    assert len(server.asked) == 2
    assert sorted(p.name for p in first.path.parent.iterdir()) == ["1abc.cif.gz", "1abc.cif.gz.json"]


def test_no_such_entry_is_not_asked_for_again(get: Callable[..., Located], server: Server, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"9zzz: the PDB has no such entry .*HTTP 404.*obsolete"):
        get("9zzz")
    assert server.asked == ["/9zzz.cif.gz"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("bad", [status(500), status(503), status(429), hang, body(PACKED[:-9]), body(PACKED, 9999)])
def test_a_failure_that_passes_is_overcome(get: Callable[..., Located], server: Server, bad: Answer) -> None:
    server.answers["/1abc.cif.gz"] = [bad, bad, body(PACKED)]
    assert get("1abc").path.read_bytes() == PACKED
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (status(500), r"HTTP 500.*tried 3 times"), (hang, r"no answer within 0.3 s; tried 3 times"),
        (body(PACKED, 9999), "tried 3 times"), (body(PACKED[:-9]), "damaged gzip"),
        (body(b"<html>log in</html>"), "proxy or a login page"), (body(b"data_1ABC\n_entry.id 1ABC\n"), "cut short"),
        (status(403), "HTTP 403"), (trickle, "not finished after 1 s"),
    ],
)  # fmt: skip
def test_a_failure_that_stays_is_named_and_leaves_nothing(
    get: Callable[..., Located], server: Server, tmp_path: Path, bad: Answer, words: str
) -> None:
    server.answers["/1abc.cif.gz"] = [bad]
    with pytest.raises(StructureError, match=words) as caught:
        get("1abc")
    assert f"download {server.url}/1abc.cif.gz on a machine that has one" in str(caught.value)
    assert "bundled library" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_without_a_network_the_message_says_what_to_do(get: Callable[..., Located]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(StructureError, match=r"refused.*download http://127.0.0.1:\d+/1abc.cif.gz"):
        get("1abc", base_urls={"pdb": f"http://127.0.0.1:{port}"}, patience=Patience())
    assert time.monotonic() - start < 5  # a refused connection is not tried again


@pytest.mark.parametrize("harm", ["content", "record", "no record"])
def test_a_damaged_copy_is_fetched_again_and_that_is_said(
    get: Callable[..., Located], server: Server, tmp_path: Path, harm: str
) -> None:
    server.answers["/1abc.cif.gz"] = [body(PACKED)]
    path = get("1abc").path
    record = path.with_name("1abc.cif.gz.json")
    if harm == "content":
        path.write_bytes(PACKED[:50])
    elif harm == "record":
        record.write_text("{")
    else:
        record.unlink()
    found = get("1abc")
    assert path.read_bytes() == PACKED
    assert found.note.startswith("1abc.cif.gz was fetched again: its c")
    assert get("1abc").note == ""
    path.write_bytes(PACKED[:50])
    server.answers["/1abc.cif.gz"] = [status(500)]
    with pytest.raises(StructureError, match="The cached copy cannot be used: its content no longer has the checksum"):
        get("1abc")


def test_a_cache_that_cannot_be_written_names_the_variable(
    get: Callable[..., Located], server: Server, tmp_path: Path
) -> None:  # fmt: skip
    (tmp_path / "cache").write_text("a file stands here")
    server.answers["/1abc.cif.gz"] = [body(PACKED)]
    with pytest.raises(StructureError, match="DOCKKIT_CACHE names another"):
        get("1abc")


def test_where_the_cache_and_the_mirrors_are(
    get: Callable[..., Located], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("DOCKKIT_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg" / "dockkit"
    monkeypatch.setenv("DOCKKIT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("DOCKKIT_PDB_URL", f"{server.url}/mirror/")
    server.answers["/mirror/1abc.cif.gz"] = [body(PACKED)]
    assert get("1abc", cache_dir=None, base_urls=None).path == tmp_path / "own" / "pdb" / "1abc.cif.gz"


def test_a_mirror_may_be_a_folder(get: Callable[..., Located], tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "1abc.cif.gz").write_bytes(PACKED)
    assert get("1abc", base_urls={"pdb": mirror.as_uri()}).path.read_bytes() == PACKED
    with pytest.raises(StructureError, match="the PDB has no such entry"):
        get("2abc", base_urls={"pdb": mirror.as_uri()})


# --------------------------------------------------------------------------- AlphaFold DB


def models(*names: str, host: str = "https://alphafold.ebi.ac.uk") -> bytes:
    return json.dumps([{"entryId": name, "cifUrl": f"{host}/files/{name}-model_v6.cif"} for name in names]).encode()


def test_a_model_is_found_through_the_prediction_api(get: Callable[..., Located], server: Server) -> None:
    server.answers["/api/prediction/P00519"] = [body(models("AF-P00519-F1"))]
    server.answers["/files/AF-P00519-F1-model_v6.cif"] = [body(CIF)]
    found = get("p00519")
    assert (found.kind, found.identifier) == ("alphafold", "AF-P00519-F1")
    assert found.url == f"{server.url}/files/AF-P00519-F1-model_v6.cif"
    assert found.path.read_bytes() == CIF
    assert get("AF-P00519-F1") == found
    assert server.asked == ["/api/prediction/P00519", "/files/AF-P00519-F1-model_v6.cif"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(404), "P00519: AlphaFold DB has no model of it"), (status(422), "AlphaFold DB has no model"),
        (status(500), r"mmCIF file on http.*/entry/P00519"), (body(b"<html>"), "not JSON"), (body(b"{}"), "not a list"),
        (body(models("AF-P00519-F2", "AF-P00519-F3")), "models of the accession: AF-P00519-F2, AF-P00519-F3"),
        (body(b"[]"), "models of the accession: none"), (body(b'[{"entryId": "AF-P00519-F1"}]'), "accession: none"),
        (body(models("AF-P00519-F1")), r"could not be fetched from .*AF-P00519-F1-model_v6.cif \(HTTP 404\)"),
    ],
)  # fmt: skip
def test_no_model_is_told_from_no_answer(
    get: Callable[..., Located], server: Server, tmp_path: Path, answer: Answer, words: str
) -> None:
    server.answers["/api/prediction/P00519"] = [answer]
    with pytest.raises(StructureError, match=words):
        get("P00519")
    assert not (tmp_path / "cache").exists()
