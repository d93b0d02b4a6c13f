"""Files from outside: found however they are spelled, and known by their content, which is read once."""

import hashlib
import json
import os
import subprocess
import unicodedata

import pytest

from rehash import outside
from rehash.errors import InputError
from rehash.outside import content_digest, located

W = "config: datasets.d.path"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outside._content_digest.cache_clear()
    return tmp_path


def digest(path, **how) -> str:
    outside._content_digest.cache_clear()
    return content_digest(path, **how)


@pytest.mark.parametrize(
    "name", ["my {holiday} pics", "a b", "a%20b,c=d", "Bücher & Co's (2)", "$5", "x\"y'z", "[1]*?", "-n"]
)
def test_odd_names_are_found_as_they_are(here, name):
    (here / name).mkdir()
    assert located(name, W) == name and located(str(here / name), W) == str(here / name)


def test_home_and_variables(here, monkeypatch):
    (here / "pics").mkdir()
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("DATA", str(here))
    for path in ("~/pics", "$DATA/pics", "${DATA}/pics", "pics", "./pics/../pics"):
        assert os.path.samefile(located(path, W), here / "pics"), path
    with pytest.raises(InputError, match=r"config: datasets.d.path: \$NOWHERE/pics: there is no variable NOWHERE"):
        located("$NOWHERE/pics", W)
    with pytest.raises(InputError, match="there is no user nobody-here"):
        located("~nobody-here/pics", W)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_names_that_look_alike_are_one(here, on_disk):
    folder = here / unicodedata.normalize(on_disk, "Fotos é") / unicodedata.normalize(on_disk, "Füße")
    folder.mkdir(parents=True)
    for form in ("NFC", "NFD"):
        spelled = unicodedata.normalize(form, str(here / "Fotos é" / "Füße"))
        assert os.path.samefile(located(spelled, W), folder)


def test_what_is_not_there_is_named_with_what_is(here):
    (here / "a").mkdir()
    with pytest.raises(InputError, match=rf"datasets.d.path: a/b/c does not exist, seen from {here}; a does$"):
        located("a/b/c", W)
    with pytest.raises(InputError, match=rf"{here}/a/b does not exist; its folder does"):
        located(str(here / "a/b"), W)


@pytest.fixture
def folder(here):
    for name, content in (("a/1.png", b"one"), ("a/2.png", b"two"), ("b/3.png", b"three")):
        (here / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "pics" / name).write_bytes(content)
    return here / "pics"


def age(folder, seconds=60):
    """Make all files as old as files usually are: what changed just now is not remembered."""
    for path in folder.rglob("*"):
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def test_a_folder_is_its_names_and_contents_wherever_it_is(folder, here):
    first = digest("pics")
    assert first == digest(folder) == digest("pics/../pics")
    age(folder)
    (folder / ".DS_Store").write_bytes(b"x")
    assert digest("pics") == first
    folder.rename(here / "moved")
    assert digest("moved") == first
    (here / "link").symlink_to("moved")
    assert digest("link") == first
    (here / "moved" / "a" / "1.png").write_bytes(b"One")
    assert digest("moved") != first
    (here / "moved" / "a" / "1.png").write_bytes(b"one")
    assert digest("moved") == first
    (here / "moved" / "a" / "1.png").rename(here / "moved" / "b" / "1.png")
    assert digest("moved") != first, "a class is part of a name"


def test_the_checksum_of_a_folder_is_that_of_its_md5sum_listing(here):
    folder = here / "d"
    for name in ("b/é.png", "b.png", "B/x y", "a-b/c", "a/b/c", ".hidden", "a/.git/config", "z/.DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to(folder / "b")
    shell = "cd {} && find -L * -type f -not -path '*/.*' | LC_ALL=C sort | xargs -d '\\n' md5sum | md5sum"
    printed = subprocess.run(["bash", "-c", shell.format(folder)], capture_output=True, text=True, check=True).stdout
    assert digest(folder) == digest(f"{folder}/") == printed.split()[0]


def test_of_a_folder_of_images_only_images_count(folder):
    first, all_ = digest(folder, images=True), digest(folder)
    (folder / "a" / "notes.txt").write_text("x")
    (folder / "a" / "Thumbs.db").write_text("x")
    assert digest(folder, images=True) == first and digest(folder) != all_
    (folder / "a" / "4").write_bytes(b"GIF89a")
    assert digest(folder, images=True) != first, "an image by its content"


def test_what_cannot_be_read_counts_as_such(folder):
    first = digest(folder, images=True)
    (folder / "a" / "5.png").symlink_to("nowhere")
    assert digest(folder, images=True) != first


def test_a_file_is_its_content(here):
    (here / "d.npz").write_bytes(b"content")
    assert digest("d.npz") == hashlib.md5(b"content").hexdigest()


def test_files_are_read_once(folder, monkeypatch):
    monkeypatch.setattr(outside, "_RECENT_NS", 0)
    read, real = [], outside.file_digest
    monkeypatch.setattr(
        outside, "file_digest", lambda path, how: read.append(os.path.basename(path)) or real(path, how)
    )
    first = digest(folder)
    assert sorted(read) == ["1.png", "2.png", "3.png"]
    assert digest(folder) == first and len(read) == 3, "remembered"
    (folder / "a" / "2.png").touch()
    assert digest(folder) == first and read[3:] == ["2.png"], "touched: read again, and equal"
    (folder / "a" / "2.png").write_bytes(b"2wo")
    assert digest(folder) != first and read[4:] == ["2.png"]


def test_what_changed_just_now_is_read_again(folder):
    """A file may be written twice within the resolution of its time, with the same size."""
    digest(folder)
    assert json.loads(outside.CACHE.read_text())[os.path.realpath(folder)]["files"] == {}


def test_a_job_takes_what_was_seen_when_it_was_planned(folder):
    first = digest(folder)
    (folder / "a" / "2.png").write_bytes(b"else")
    assert digest(folder, look=False) == first != digest(folder)
    outside.CACHE.unlink()
    assert digest(folder, look=False) == digest(folder), "nothing is remembered: it looks"


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_memory_is_forgotten(folder, content):
    first = digest(folder)
    outside.CACHE.write_bytes(content)
    assert digest(folder) == first
    outside.CACHE.unlink()
    outside.CACHE.parent.rmdir()
    outside.CACHE.parent.write_text("no folder can be here")
    assert digest(folder) == first, "and without a place to remember in, too"
