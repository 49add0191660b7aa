"""Every form of MLflow's scoring bodies comes to the same columns, whatever pandas makes of it."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.serving.protocols.mlflow import table_of_csv, table_of_json
from sluiceway.serving.protocols.tables import Table, arrays_of
from sluiceway.serving.refusals import RefusalCode, Refused

ROWS: list[dict[str, Any]] = [
    {"id": "a", "number": 1.5, "whole": 3, "flag": True, "text": "x"},
    {"id": "b", "number": None, "whole": -4, "flag": False, "text": None},
    {"id": "c", "number": -2e30, "whole": 2**53, "flag": None, "text": "ü"},
]
NAMES = list(ROWS[0])


def forms(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(rows[0])
    data = [[row[name] for name in names] for row in rows]
    columns = {name: [row[name] for row in rows] for name in names}
    return {
        "dataframe_split": {"columns": names, "data": data},
        "dataframe_split with index": {
            "columns": names,
            "data": data,
            "index": list(range(len(rows))),
        },
        "dataframe_records": rows,
        "instances": rows,
        "instances of columns": columns,
        "inputs": columns,
        "inputs of one column each": {n: [[v] for v in values] for n, values in columns.items()},
    }


def expected(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """What pandas holds in these rows: numbers as doubles, texts as they are."""
    frame = pd.DataFrame(rows)
    made = {}
    for name in frame:
        values = frame[name]
        if any(isinstance(value, str) for value in values):
            made[name] = [None if pd.isna(value) else value for value in values]
        else:
            made[name] = values.astype(float).tolist()
    return made


def same(columns: dict[str, np.ndarray], wanted: dict[str, list[Any]]) -> None:
    assert list(columns) == list(wanted)
    for name, values in wanted.items():
        texts = any(isinstance(value, str) for value in values)
        assert columns[name].dtype == (object if texts else np.float64)
        np.testing.assert_array_equal(columns[name], np.array(values, dtype=columns[name].dtype))


def read(form: str, held: Any, **more: Any) -> Table:
    return table_of_json(json.dumps({form.split()[0]: held, **more}).encode())


@pytest.mark.parametrize("count", [1, 2, 3, 100])
@pytest.mark.parametrize("form", list(forms(ROWS)))
def test_every_form_comes_to_the_same_arrays(form: str, count: int) -> None:
    rows = (ROWS * 34)[:count]
    table = read(form, forms(rows)[form])
    assert table.rows == count
    same(arrays_of(table.columns), expected(rows))


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**53), 2**53) | st.booleans() | st.none(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_numbers_arrive_as_they_are(pairs: list[tuple[Any, Any]]) -> None:
    rows = [{"a": a, "b": b} for a, b in pairs]
    for form, held in forms(rows).items():
        columns = arrays_of(read(form, held).columns)
        for name in ("a", "b"):
            wanted = [np.nan if row[name] is None else float(row[name]) for row in rows]
            np.testing.assert_array_equal(columns[name], wanted)


def test_csv_comes_to_what_pandas_reads() -> None:
    text = 'id,number,whole,flag,text\na,1.5,3,true,x\nb,,-4,False,\nc,-2e30,5,,"ü, ""v"""\n'
    table = table_of_csv(text.encode())
    frame = pd.read_csv(io.StringIO(text))
    columns = arrays_of(table.columns)
    assert list(columns) == list(frame)
    np.testing.assert_array_equal(columns["number"], frame["number"])
    np.testing.assert_array_equal(columns["whole"], frame["whole"].astype(float))
    np.testing.assert_array_equal(columns["flag"], frame["flag"].astype(float))
    assert columns["text"].tolist() == ["x", None, 'ü, "v"']
    assert columns["id"].tolist() == ["a", "b", "c"]


def test_csv_columns_that_are_declared_texts_stay_texts() -> None:
    table = table_of_csv(
        "\ufeffid,code\r\n007,12\r\n008,\r\n".encode(), texts=frozenset({"id", "code"})
    )
    columns = arrays_of(table.columns)
    assert columns["id"].tolist() == ["007", "008"]
    assert columns["code"].tolist() == ["12", None]


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "NaN", "1_0", "0x10", "١"])
def test_csv_cells_that_are_no_decimal_numbers_are_texts(cell: str) -> None:
    assert arrays_of(table_of_csv(f"a\n{cell}\n".encode()).columns)["a"].tolist() == [cell]


def test_a_record_that_leaves_a_name_out_has_no_value_there() -> None:
    columns = arrays_of(read("dataframe_records", [{"a": 1, "b": "x"}, {"a": 2}]).columns)
    assert columns["b"].tolist() == ["x", None]


def test_a_column_of_a_text_that_is_missing_everywhere_holds_texts() -> None:
    columns = {"a": [None, None], "b@2.0.0": [None, None], "c": [None, None]}
    arrays = arrays_of(columns, {"a", "b@2.0.0"})
    assert [arrays[name].dtype.kind for name in columns] == ["O", "O", "f"]


MALFORMED = {
    "no object": "[1]",
    "nothing": "{}",
    "two forms": '{"inputs": {}, "instances": []}',
    "another name": '{"rows": []}',
    "a signature": '{"inputs": {"a": [1]}, "signature_name": "x"}',
    "split of nothing": '{"dataframe_split": null}',
    "split without columns": '{"dataframe_split": {"data": [[1]]}}',
    "split with a strange key": '{"dataframe_split": {"columns": ["a"], "data": [[1]], "b": 1}}',
    "split with names that are none": '{"dataframe_split": {"columns": [1], "data": [[1]]}}',
    "split with rows that are none": '{"dataframe_split": {"columns": ["a"], "data": [1]}}',
    "uneven rows": '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [1]]}}',
    "a name twice": '{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}',
    "no rows": '{"dataframe_split": {"columns": ["a"], "data": []}}',
    "no records": '{"dataframe_records": []}',
    "records that are none": '{"dataframe_records": [1]}',
    "rows without names": '{"instances": [[1, 2]]}',
    "columns that are none": '{"inputs": {"a": 1}}',
    "a nameless tensor": '{"inputs": [1, 2]}',
    "no columns": '{"inputs": {}}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_of_no_form_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        table_of_json(MALFORMED[name].encode())
    assert refused.value.code is RefusalCode.MALFORMED


@pytest.mark.parametrize(
    "body",
    [b"", b"a,b\n1\n", b"a,a\n1,2\n", b"a\n", b'a\n"x', b"a\n\xff\n", b"a\n" + b"x" * 200_000],
)
def test_csv_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        table_of_csv(body)
    assert refused.value.code is RefusalCode.MALFORMED


def test_uneven_rows_are_named() -> None:
    with pytest.raises(Refused, match=r"row 1 has 1 values for 2 columns") as refused:
        read("dataframe_split", {"columns": ["a", "b"], "data": [[1, 2], [1], [3, 4]]})
    assert refused.value.faults[0].rows == (1,)


def test_parameters_are_refused_unless_there_are_none() -> None:
    assert read("inputs", {"a": [1]}, params={}).rows == 1
    assert read("inputs", {"a": [1]}, params=None).rows == 1
    with pytest.raises(Refused, match="no model takes parameters") as refused:
        read("inputs", {"a": [1]}, params={"temperature": 1})
    assert refused.value.faults[0].field == "params"


def test_everything_wrong_with_the_columns_is_said_at_once() -> None:
    with pytest.raises(Refused) as refused:
        arrays_of({"a": [1, "x"], "b": [[1, 2], 3], "c": [{}, 1], "d": [1, 2], "e": [2**53 + 1, 1]})
    assert refused.value.code is RefusalCode.OUT_OF_CONTRACT
    assert [(f.field, f.rule, f.rows) for f in refused.value.faults] == [
        ("a", "dtype", (1,)),
        ("b", "shape", (0,)),
        ("c", "shape", (0,)),
        ("e", "too_large", (0,)),
    ]


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**64 - 1])
def test_whole_numbers_that_no_double_holds_are_refused(number: int) -> None:
    with pytest.raises(Refused, match="beyond 2\\^53") as refused:
        arrays_of({"a": [1.0, number]})
    assert refused.value.code is RefusalCode.TOO_LARGE
    with pytest.raises(Refused):
        arrays_of(table_of_csv(f"a\n{number}\n".encode()).columns)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(Refused, match="11 rows; at most 10") as refused:
        table_of_json(b'{"inputs": {"a": [1,1,1,1,1,1,1,1,1,1,1]}}', max_rows=10)
    assert refused.value.code is RefusalCode.TOO_LARGE


WIDE = ",".join(f"c{n}" for n in range(10_001))


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs", "csv"])
def test_too_many_columns_are_refused(form: str) -> None:
    rows = [dict.fromkeys(WIDE.split(","), 1)]
    held = {**forms(rows), "csv": None}[form]
    with pytest.raises(Refused, match="10001 columns; at most 10000") as refused:
        read(form, held) if held else table_of_csv(f"{WIDE}\n{WIDE}".encode())
    assert refused.value.code is RefusalCode.TOO_LARGE


def test_names_that_stand_twice_are_counted_once() -> None:
    names = [f"c{n // 2}" for n in range(10_000)]
    for columns in (["a"] * 10_000, names):
        with pytest.raises(Refused, match="named twice"):
            read("dataframe_split", {"columns": columns, "data": [[1] * 10_000]})


def test_records_that_share_no_names_are_refused_before_they_fill_the_memory() -> None:
    records = [{f"c{n}": 1} for n in range(5_000)]
    with pytest.raises(Refused, match="5000 names in 5000 records") as refused:
        read("dataframe_records", records)
    assert refused.value.code is RefusalCode.TOO_LARGE
