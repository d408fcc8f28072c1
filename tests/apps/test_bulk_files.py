"""Files of `freerouter bulk`: nothing of the input is lost, and one bad row is one bad row."""

from __future__ import annotations

import datetime
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.apps.bulk_files import csv_file, parquet
from freerouter_core.apps.bulk_files.columns import OWN, Columns
from freerouter_core.apps.bulk_files.file_format import BadRow
from freerouter_core.apps.bulk_files.formats import format_of
from freerouter_core.apps.bulk_files.table_rows import Prompting, fill

from .bulk_shell import bulk, read_lines, read_table, said, write_lines


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")


# -- names ---------------------------------------------------------------------------------------


def test_a_column_called_body_is_a_column() -> None:
    Path("in.csv").write_text("title,body\nCrash,It crashes\n")
    done = bulk("in.csv", "-o", "out.csv", "-p", "Label: {title} {body}", "-q")
    assert done.exit_code == 0, done.stderr
    (row,) = read_table("out.csv")
    assert (row["title"], row["body"]) == ("Crash", "It crashes")
    assert "Label: Crash It crashes" in row["answer"]

    write_lines(
        "in.jsonl", [{"n": 1, "body": {"html": "<p>"}}, {"prompt": "x", "url": "https://a"}]
    )
    done = bulk("in.jsonl", "-o", "out.jsonl", "-p", "Label: {body}", "--in-order", "-q")
    assert done.exit_code == 1  # the second line has no body
    assert {"n": 1, "body": {"html": "<p>"}}.items() <= read_lines("out.jsonl")[0].items()
    plain = bulk("in.jsonl", "-o", "plain.jsonl", "--in-order", "-q")
    assert plain.exit_code == 1  # an object without messages is no request
    assert read_lines("plain.jsonl")[1]["error"] is None

    write_lines("named.jsonl", [{"custom_id": "a", "body": "It crashes"}])
    assert bulk("named.jsonl", "-o", "named-out.jsonl", "-p", "Label: {body}", "-q").exit_code == 0
    assert read_lines("named-out.jsonl")[0]["body"] == "It crashes"


def test_a_line_of_a_batch_keeps_what_is_no_request() -> None:
    body = {"messages": [{"role": "user", "content": "hello"}]}
    write_lines("in.jsonl", [{"custom_id": "a", "url": "/v1/chat/completions", "body": body}])
    write_lines("wrong.jsonl", [{"custom_id": "a", "team": 7, "body": {"messages": 5}}])
    assert bulk("in.jsonl", "-o", "out.csv", "-q").exit_code == 0
    assert list(read_table("out.csv")[0]) == ["custom_id", *OWN]
    assert bulk("wrong.jsonl", "-o", "wrong.csv", "-s", "Be brief", "-q").exit_code == 1
    (row,) = read_table("wrong.csv")
    assert (row["team"], row["error"]) == ("7", "the row's messages are a number, not a list")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_the_input_calls_answer_stays_the_inputs(ending: str) -> None:
    write_lines("first.jsonl", [{"question": "1+1?"}, {"question": "2+2?", "answer": "gold"}])
    bulk("first.jsonl", "-o", f"in.{ending}", "-p", "{question}", "-q", "--in-order")
    done = bulk(f"in.{ending}", "-o", "out.jsonl", "-p", "{question}", "-q", "--in-order")

    assert done.exit_code == 0, done.stderr
    assert "the input has its own answer: the job's is called answer_3" in said(done)
    assert "the input has its own model: the job's is called model_2" in said(done)
    lines = read_lines("out.jsonl")
    assert [line.get("answer") or None for line in lines] == [None, "gold"]
    for line in lines:
        assert line["question"] in line["answer_2"]
        assert line["question"] in line["answer_3"]
        assert line["model_2"].startswith("simulated/")
    exported = bulk("export", "out.jsonl", "--format", "csv").stdout
    assert exported.splitlines()[0].endswith(",answer_3,model_2,error_2")


def test_own_columns_take_the_first_free_name() -> None:
    assert Columns.beside(["x"]).own == OWN
    assert Columns.beside(["error", "error_2"]).renamed == {"error": "error_3"}


def test_an_export_has_the_names_that_the_whole_input_makes() -> None:
    write_lines("in.jsonl", [{"prompt": "x"}, {"prompt": "y", "answer": "gold"}])
    assert bulk("in.jsonl", "-o", "out.jsonl", "--until", "2020-01-01", "-q").exit_code == 130
    exported = bulk("export", "out.jsonl", "--format", "csv")
    assert exported.stdout.splitlines() == ["answer_2,model,error"]


def test_columns_of_the_same_name_are_all_kept() -> None:
    Path("in.csv").write_text("text,text,\na,b,c\n")
    assert list(format_of(Path("in.csv")).rows(Path("in.csv"))) == [
        {"text": "a", "text_2": "b", "": "c"}
    ]


# -- rows ----------------------------------------------------------------------------------------


def test_a_row_that_lacks_a_column_of_the_prompt_fails() -> None:
    Path("in.csv").write_text("id,text,more\n1,great,x\n2\n3,bad\n")
    done = bulk("in.csv", "-o", "out.csv", "-p", "Label: {text}", "-q", "--in-order")
    assert done.exit_code == 1
    rows = read_table("out.csv")
    assert [row["error"] for row in rows] == ["", "the row has no field 'text' (it has: id)", ""]


def test_a_field_that_is_too_long_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MAX_FIELD", 100)
    Path("in.csv").write_text(f"id,text\n1,{'x' * 101}\n2,y\n")
    assert bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-q", "--in-order").exit_code == 1
    first, second = read_table("out.csv")
    assert first["error"] == "line 2 has a field of 101 characters; 100 are the most"
    assert second["error"] == ""


@pytest.mark.parametrize(
    ("limit", "told"), [(10_000, "a quote is not closed"), (200, "field larger than field limit")]
)
def test_a_quote_that_is_not_closed_is_told_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, limit: int, told: str
) -> None:
    monkeypatch.setattr(csv_file, "LIMIT", limit)
    Path("in.csv").write_text('id,text\n1,x\n2,"' + "3,y\n" * 100)
    refused = bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-q")
    assert refused.exit_code == 2
    assert f"in.csv, line 3: {told}" in said(refused)
    assert not Path("out.csv.job").exists()

    Path("in.csv").write_text('id,text\n1,"x\ny"')
    assert bulk("in.csv", "-o", "out.csv", "-p", "{text}", "-q").exit_code == 0


def test_what_utf_8_cannot_say_is_written_and_told() -> None:
    write_lines("in.jsonl", [{"text": "\ud800", "\ud800": "x"}])
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        assert bulk("in.jsonl", "-o", name, "-p", "{text}", "-q").exit_code == 0
    assert bulk("in.jsonl", "-o", "no.csv", "-p", "{other}", "-q").exit_code == 1
    assert read_table("no.csv")[0]["error"] == "the row has no field 'other' (it has: text, ?)"


def test_an_id_that_utf_8_cannot_say_fails_alone() -> None:
    write_lines("in.jsonl", [{"id": "\ud800", "prompt": "x"}, {"id": "b", "prompt": "y"}])
    assert bulk("in.jsonl", "-o", "out.jsonl", "--in-order", "-q").exit_code == 1
    first, second = read_lines("out.jsonl")
    assert first["error"] == "the row's id has half a character, which UTF-8 cannot say"
    assert (second["id"], second["error"]) == ("b", None)


def test_a_bad_row_keeps_its_fields_and_its_id() -> None:
    problem = BadRow(errors.BadRequest("no"), {"id": "7", "problem": "mine"})
    asked = Prompting(prompt="{id}").request(problem)
    assert asked == {"id": "7", "data": {"id": "7", "problem": "mine"}, "problem": problem.problem}


def test_a_row_is_named_by_the_first_id_it_has() -> None:
    row = {"custom_id": None, "id": 0, "name": "n", "prompt": "x"}
    named = [Prompting(id=name).request(row) for name in (None, "name", "other")]
    assert [isinstance(asked, dict) and asked.get("id") for asked in named] == ["0", "n", None]


def test_a_header_may_be_long_and_stand_below_empty_lines() -> None:
    name = "n" * 200_000
    Path("in.csv").write_text(f"\n\n{name}\nx\n")
    form = format_of(Path("in.csv"))
    assert form.look(Path("in.csv"), Prompting().kept).names == (name,)
    assert list(form.rows(Path("in.csv"))) == [{name: "x"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "in.csv",
            "id,text\n1,good\n2,caf\xe9\n".encode("latin-1"),
            "in.csv, line 3: it is no UTF-8",
        ),
        ("in.jsonl", '{"text": "caf\xe9"}\n'.encode("latin-1"), "in.jsonl, line 1: it is no UTF-8"),
        ("in.csv", "id,text\n1,good\n".encode("utf-16"), "in.csv is UTF-16"),
        ("in.jsonl", '{"text": "x"}\n'.encode("utf-16"), "in.jsonl is UTF-16"),
    ],
)
def test_what_is_no_utf_8_is_told_before_anything_is_asked(
    name: str, content: bytes, told: str
) -> None:
    """Its letters were replaced, and a model was asked about others."""
    Path(name).write_bytes(content)
    refused = bulk(name, "-o", "out.csv", "-p", "{text}", "-q")
    assert refused.exit_code == 2
    assert told in said(refused)
    assert "iconv -f" in said(refused)
    assert not Path("out.csv").exists()
    assert not Path("out.csv.job").exists()


@pytest.mark.parametrize("form", ["jsonl", "csv", "batch"])
def test_a_pipe_is_refused_for_it_cannot_be_read_again(form: str) -> None:
    """It was read as an empty file, and the job was done."""
    os.mkfifo("in.pipe")
    holds = os.open("in.pipe", os.O_RDWR)  # so that opening it waits for nobody
    try:
        os.write(holds, b'{"text": "x"}\n')
        refused = bulk("in.pipe", "--format", form, "-o", "out.csv", "-p", "{text}", "-q")
    finally:
        os.close(holds)
    assert refused.exit_code == 2
    assert "in.pipe is no file, and cannot be read twice" in said(refused)
    assert not Path("out.csv.job").exists()


@pytest.mark.parametrize("template", ["{text", "text}", "Say {}: {text}", "{a{text}"])
@pytest.mark.parametrize("option", ["--prompt", "--system"])
def test_a_brace_that_is_alone_is_refused(template: str, option: str) -> None:
    """It was sent as it stands: all rows were equal, and got one answer."""
    Path("in.csv").write_text("text\na\nb\n")
    others = () if option == "--prompt" else ("-p", "{text}")
    refused = bulk("in.csv", "-o", "out.csv", option, template, *others, "-q")
    assert refused.exit_code == 2
    assert f"a brace of {option} is not closed" in said(refused)


def test_a_prompt_without_a_field_is_told() -> None:
    Path("in.csv").write_text("text\na\nb\n")
    done = bulk("in.csv", "-o", "out.csv", "-p", "Say {{x}}", "-s", "Be brief", "-q")
    assert done.exit_code == 0
    assert "--prompt names no field: every row asks the same" in said(done)
    assert "names no field" not in said(bulk("in.csv", "-o", "b.csv", "-p", "{text}", "-q"))


# -- formats -------------------------------------------------------------------------------------


def test_an_output_has_the_format_of_its_name_and_all_columns() -> None:
    lines = [{"prompt": "a", "tag": [1, "ü"]}, {"prompt": "b", "n": 1}, {"prompt": "c", "n": 2.5}]
    write_lines("in.jsonl", lines)
    assert bulk("in.jsonl", "-o", "out.csv", "-q", "--in-order").exit_code == 0
    rows = read_table("out.csv")
    assert list(rows[0]) == ["prompt", "tag", "n", *OWN]
    assert (rows[0]["tag"], rows[1]["n"]) == ('[1, "ü"]', "1")

    assert bulk("export", "out.csv", "-o", "out.tsv").exit_code == 0
    assert Path("out.tsv").read_text("utf-8").startswith("prompt\ttag\tn\tanswer\t")
    exported = bulk("export", "out.csv", "--format", "csv").stdout
    assert exported.splitlines()[0] == "prompt,tag,n,answer,model,error"
    assert json.loads(bulk("export", "out.csv").stdout.splitlines()[0])["tag"] == [1, "ü"]


def test_answers_of_a_batch_are_one_without_its_input() -> None:
    body = {"messages": [{"role": "user", "content": "hello"}]}
    write_lines("in.jsonl", [{"custom_id": "a", "url": "/v1/chat/completions", "body": body}])
    assert bulk("in.jsonl", "-o", "out.jsonl", "-q").exit_code == 0
    Path("in.jsonl").unlink()
    assert bulk("export", "out.jsonl", "-o", "all.jsonl").exit_code == 0
    for text in (bulk("export", "out.jsonl").stdout, Path("all.jsonl").read_text("utf-8")):
        assert json.loads(text)["response"]["status_code"] == 200
    plain = bulk("export", "out.jsonl", "--format", "jsonl")
    assert list(json.loads(plain.stdout)) == ["custom_id", *OWN]


def read_parquet(path: str) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path)


def test_lines_become_a_parquet_file_whose_types_hold_every_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "GROUP", 2)
    lines: list[Any] = [{"prompt": "a"}, {"prompt": "b"}]
    lines.append({"prompt": "x", "i": 2**70, "f": 1, "b": True, "s": "x", "o": {"a": 1}, "z": None})
    lines.append({"prompt": "y", "i": 1, "f": 1.5, "s": 2})
    write_lines("in.jsonl", lines)
    assert bulk("in.jsonl", "-o", "out.parquet", "-q", "--in-order").exit_code == 0
    assert bulk("export", "out.parquet", "-o", "again.parquet").exit_code == 0
    for path in ("out.parquet", "again.parquet"):
        last = read_parquet(path).slice(2).to_pylist()
        kept = [{name: row[name] for name in ("i", "f", "b", "s", "o", "z")} for row in last]
        assert kept == [
            {"i": str(2**70), "f": 1.0, "b": True, "s": "x", "o": '{"a": 1}', "z": None},
            {"i": "1", "f": 1.5, "b": None, "s": "2", "o": None, "z": None},
        ]


def test_parquet_keeps_the_types_of_the_input() -> None:
    import pyarrow as arrow
    import pyarrow.parquet

    day, zone = datetime.datetime(2026, 1, 2, 3, 4, 5, 600), datetime.UTC
    columns: dict[str, Any] = {
        "text": arrow.array(["a", "b", None]),
        "late": arrow.array([None, None, 5], arrow.int64()),
        "never": arrow.nulls(3),
        "when": arrow.array([day, None, day], arrow.timestamp("us")),
        "zoned": arrow.array([day.replace(tzinfo=zone)] * 3, arrow.timestamp("us", "UTC")),
        "exact": arrow.array([1, 2, 3], arrow.timestamp("ns")),
        "day": arrow.array([day.date()] * 3, arrow.date32()),
        "hour": arrow.array([day.time()] * 3, arrow.time64("us")),
        "lasted": arrow.array([datetime.timedelta(1, 2)] * 3, arrow.duration("us")),
        "price": arrow.array([Decimal("1.50")] * 3, arrow.decimal128(5, 2)),
        "bytes": arrow.array([b"x\xff", b"", None], arrow.binary()),
        "large": arrow.array([b"x\xff"] * 3, arrow.large_binary()),
        "share": arrow.array([float("nan"), float("inf"), 1.5]),
        "kind": arrow.array(["a", "b", "a"]).dictionary_encode(),
        "list": arrow.array([[b"1"], [], None], arrow.list_(arrow.binary())),
        "map": arrow.array([[("k", day)]] * 3, arrow.map_(arrow.string(), arrow.timestamp("us"))),
        "part": arrow.array([{"at": day, "n": 1}] * 3),
    }
    given = arrow.table(columns)
    arrow.parquet.write_table(given, "in.parquet")
    done = bulk("in.parquet", "-o", "out.parquet", "-p", "{text} {when}", "-q", "--in-order")

    assert done.exit_code == 0, done.stderr
    assert bulk("export", "out.parquet", "-o", "again.parquet").exit_code == 0
    read = arrow.parquet.read_table("in.parquet")
    for path in ("out.parquet", "again.parquet"):
        written = read_parquet(path)
        assert written.schema.names == [*given.schema.names, *OWN]
        for name in given.schema.names:
            assert written.schema.field(name).type == read.schema.field(name).type
            assert str(written[name]) == str(read[name]), name
    assert "a 2026-01-02 03:04:05" in written["answer"][0].as_py()


def test_a_column_whose_first_values_come_late_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as arrow
    import pyarrow.parquet

    monkeypatch.setattr(parquet, "GROUP", 2)
    late = arrow.array([None, None, None, 5], arrow.int64())
    arrow.parquet.write_table(arrow.table({"text": ["x"] * 4, "late": late}), "in.parquet")
    done = bulk("in.parquet", "-o", "out.parquet", "-p", "{text}", "-q", "--in-order")
    assert done.exit_code == 0, done.stderr
    assert read_parquet("out.parquet")["late"].to_pylist() == late.to_pylist()


def test_an_input_whose_types_have_changed_is_exported_in_another_format() -> None:
    import pyarrow as arrow
    import pyarrow.parquet

    arrow.parquet.write_table(arrow.table({"text": ["x"], "n": ["one"]}), "in.parquet")
    assert bulk("in.parquet", "-o", "out.parquet", "-p", "{text}", "-q").exit_code == 0
    arrow.parquet.write_table(arrow.table({"text": ["x"], "n": [1]}), "in.parquet")
    refused = bulk("export", "out.parquet", "-o", "again.parquet")
    assert refused.exit_code == 2
    assert "the column 'n' has other types than when its job began" in said(refused)
    assert bulk("export", "out.parquet", "-o", "again.csv").exit_code == 0


def test_a_prompt_shows_names_as_they_can_be_written() -> None:
    with pytest.raises(errors.BadRequest) as failed:
        fill("{x}", {"\ud800": 1})
    assert failed.value.hint == "it has: ?"
