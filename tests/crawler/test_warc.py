"""The page archive: what is written can be read again, also by others, also when its tail is damaged."""

from __future__ import annotations

import gzip
import random
from io import BytesIO
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawler.warc import ArchivedAt, ArchiveWriter, iter_records, read_record
from db.archive_reader import places_of
from db.models import ArchiveError

PAGE = b"<html><p>caf\xc3\xa9</p></html>"


def write(
    writer: ArchiveWriter, url: str, body: bytes = PAGE, *, target: str = "page", gzipped: bool = False
) -> ArchivedAt:
    headers = [("Content-Type", "text/html; charset=utf-8")] + ([("Content-Encoding", "gzip")] if gzipped else [])
    transferred = gzip.compress(body) if gzipped else body
    return writer.write(
        url,
        request=("GET /page?x=1", [("Host", "example.org"), ("User-Agent", "Debatewatch/0")]),
        response=("200 OK", headers, transferred),
        target=target,
    )


def archive(folder: Path, **options: int) -> ArchiveWriter:
    return ArchiveWriter(
        folder, "eff-20240314093000-1", info={"software": "Debatewatch/0", "isPartOf": "eff"}, **options
    )


def test_a_record_is_found_by_file_and_offset(tmp_path: Path) -> None:
    writer = archive(tmp_path)
    places = [write(writer, f"http://example.org/{n}", PAGE + str(n).encode(), gzipped=n == 1) for n in range(3)]
    writer.close()
    for number, place in enumerate(places):
        headers, body = read_record(tmp_path, place.file, place.offset)
        assert (headers[":status"], headers["content-type"]) == ("200", "text/html; charset=utf-8")
        assert body == PAGE + str(number).encode()


def test_lengths_frame_whole_gzip_members(tmp_path: Path) -> None:
    writer = archive(tmp_path)
    place = write(writer, "http://example.org/1")
    writer.close()
    raw = (tmp_path / place.file).read_bytes()[place.offset : place.offset + place.length]
    assert gzip.decompress(raw).startswith(b"WARC/1.1\r\n")


def test_the_file_is_ordinary_warc_with_requests_and_its_software_named(tmp_path: Path) -> None:
    writer = archive(tmp_path)
    place = write(writer, "http://example.org/1")
    writer.close()
    with (tmp_path / place.file).open("rb") as stream:
        records = [(record.rec_type, record.content_stream().read(), record) for record in ArchiveIterator(stream)]
    assert [kind for kind, _, _ in records] == ["warcinfo", "response", "request"]
    assert b"software: Debatewatch/0" in records[0][1]
    assert records[2][2].http_headers.get_header("User-Agent") == "Debatewatch/0"
    assert b"\r\nGET /page?x=1 HTTP/1.1\r\nHost: example.org\r\n" in gzip.decompress(
        (tmp_path / place.file).read_bytes()
    )
    response, request = records[1][2].rec_headers, records[2][2].rec_headers
    assert request.get_header("WARC-Concurrent-To") == response.get_header("WARC-Record-ID")
    assert response.get_header("WARC-Payload-Digest").startswith("sha1:")


def test_pages_know_their_source_and_what_they_were_fetched_as(tmp_path: Path) -> None:
    writer = archive(tmp_path)
    write(writer, "http://example.org/feed", target="listing")
    write(writer, "http://example.org/1")
    writer.close()
    (path,) = tmp_path.iterdir()
    assert [(page.url, page.target, page.source_id) for page in iter_records(path)] == [
        ("http://example.org/feed", "listing", "eff"),
        ("http://example.org/1", "page", "eff"),
    ]


def test_a_full_file_is_followed_by_the_next(tmp_path: Path) -> None:
    writer = archive(tmp_path, max_bytes=500)
    places = [write(writer, f"http://example.org/{n}") for n in range(3)]
    writer.close()
    assert len({place.file for place in places}) == 3
    assert all(read_record(tmp_path, place.file, place.offset)[1] == PAGE for place in places)


def test_nothing_is_made_before_something_is_written(tmp_path: Path) -> None:
    archive(tmp_path / "none").close()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_damaged_tail_ends_the_file_and_is_said(tmp_path: Path, cut: int) -> None:
    writer = archive(tmp_path)
    for number in range(3):
        place = write(writer, f"http://example.org/{number}", PAGE * 20)
    writer.close()
    path = tmp_path / place.file
    path.write_bytes(path.read_bytes()[: place.offset + place.length - cut])
    problems: list[str] = []
    urls = [page.url for page in iter_records(path, on_error=problems.append)]
    assert urls[:2] == ["http://example.org/0", "http://example.org/1"]
    assert len(urls) + len(problems) == 3


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("damage", ["bytes of other values", "bytes that are missing"])
def test_a_record_damaged_in_the_middle_costs_itself_alone(tmp_path: Path, gzipped: bool, damage: str) -> None:
    path = tmp_path / "middle.warc"
    ends = []
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=gzipped)
        writer.write_record(writer.create_warcinfo_record("x", {"isPartOf": "eff"}))
        for number in range(4):
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            ends.append(file.tell())
            url = f"https://example.org/{number}"
            body = BytesIO(random.Random(number).randbytes(2_000))
            writer.write_record(writer.create_warc_record(url, "response", payload=body, http_headers=headers))
    whole = path.read_bytes()
    hit = ends[1] + (400 if damage == "bytes that are missing" else 30)
    mended = bytes(300) if damage == "bytes of other values" else b""
    path.write_bytes(whole[:hit] + mended + whole[hit + 300 :])
    problems: list[str] = []
    found = list(iter_records(path, on_error=problems.append))
    assert [page.url[-1] for page in found] == ["0", "2", "3"]
    assert {page.source_id for page in found} == {"eff"}
    assert f"{path}: damaged at byte {ends[1]}" in problems[0]
    # What lies behind the damage is also found by its place.
    assert read_record(tmp_path, path.name, found[-1].offset)[1] == random.Random(3).randbytes(2_000)
    assert places_of(tmp_path, path.name, "https://example.org/3") == [found[-1].offset]


def test_rubbish_is_said_to_be_rubbish(tmp_path: Path) -> None:
    (tmp_path / "x.warc.gz").write_bytes(b"\x00" * 100)
    problems: list[str] = []
    assert list(iter_records(tmp_path / "x.warc.gz", on_error=problems.append)) == []
    assert len(problems) == 1


@pytest.mark.parametrize("file", ["../secret.warc.gz", "/etc/passwd", "none.warc.gz"])
def test_only_files_of_the_archive_are_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret.warc.gz").write_bytes(b"x")
    (tmp_path / "archive").mkdir()
    with pytest.raises(ArchiveError):
        read_record(tmp_path / "archive", file, 0)


def test_an_offset_between_records_is_an_error_of_ours(tmp_path: Path) -> None:
    writer = archive(tmp_path)
    place = write(writer, "http://example.org/1")
    writer.close()
    with pytest.raises(ArchiveError, match=r"no readable record|no response"):
        read_record(tmp_path, place.file, place.offset + 3)


def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot name an archive file"):
        ArchiveWriter(tmp_path, "../x", info={})


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveError, match="cannot be written"):
        write(archive(tmp_path / "file"), "http://example.org/1")


@pytest.mark.parametrize("cut", [0, 100])
def test_a_file_that_is_not_gzipped_is_read_to_its_end_and_a_cut_tail_said(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "plain.warc"
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=False)
        for number in range(2):
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            body = BytesIO(b"x" * 300)
            url = f"https://example.org/{number}"
            writer.write_record(writer.create_warc_record(url, "response", payload=body, http_headers=headers))
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    problems: list[str] = []
    assert len(list(iter_records(path, on_error=problems.append))) == (1 if cut else 2)
    assert len(problems) == (1 if cut else 0)
