"""The Open Inference Protocol's JSON tensors, as its specification has them."""

import json
from typing import Any

import numpy as np
import pytest

from sluiceway.serving.protocols.open_inference import InferenceRequest, read_inference
from sluiceway.serving.protocols.tables import arrays_of
from sluiceway.serving.refusals import RefusalCode, Refused


def tensor(data: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": "a", "shape": [len(data)], "datatype": datatype, "data": data, **more}


def read(*tensors: Any, **more: Any) -> InferenceRequest:
    return read_inference(json.dumps({"inputs": list(tensors), **more}).encode())


def refused(*tensors: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as found:
        read(*tensors, **more)
    return found.value


@pytest.mark.parametrize(
    ("datatype", "data", "wanted"),
    [
        ("BOOL", [True, False], [1.0, 0.0]),
        ("INT8", [-128, 127], [-128.0, 127.0]),
        ("INT16", [-32768, 32767], [-32768.0, 32767.0]),
        ("INT32", [-(2**31), 2**31 - 1], [-(2.0**31), 2.0**31 - 1]),
        ("INT64", [-(2**53), 2**53], [-(2.0**53), 2.0**53]),
        ("UINT8", [0, 255], [0.0, 255.0]),
        ("UINT16", [0, 65535], [0.0, 65535.0]),
        ("UINT32", [0, 2**32 - 1], [0.0, 2.0**32 - 1]),
        ("UINT64", [0, 2**53], [0.0, 2.0**53]),
        ("FP64", [0.1, 3], [0.1, 3.0]),
        ("FP32", [0.1, 3], [0.10000000149011612, 3.0]),
        ("FP16", [0.1, 3], [0.0999755859375, 3.0]),
        ("FP32", [None, 1], [np.nan, 1.0]),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_every_datatype_comes_to_its_numbers(
    datatype: str, data: list[Any], wanted: list[float], nested: bool
) -> None:
    held = tensor(data, datatype)
    if nested:
        held |= {"shape": [2, 1], "data": [[one] for one in data]}
    values = arrays_of(read(held).table.columns)["a"]
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, wanted)


def test_bytes_are_texts() -> None:
    values = arrays_of(read(tensor(["x", None, "ü"], "BYTES")).table.columns)["a"]
    assert values.tolist() == ["x", None, "ü"]


def test_a_flat_column_of_rows_is_read_in_row_major_order() -> None:
    held = tensor([1.0, 2.0], shape=[2, 1])
    assert arrays_of(read(held).table.columns)["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [1]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("INT64", [1.0]),
        ("INT64", [True]),
        ("INT32", [None]),
        ("FP64", ["1"]),
        ("FP64", [True]),
        ("BYTES", [1]),
        ("BYTES", [[1]]),
    ],
)
def test_what_a_datatype_does_not_hold_is_refused(datatype: str, data: list[Any]) -> None:
    found = refused(tensor(data, datatype))
    assert found.code is RefusalCode.OUT_OF_CONTRACT
    assert [(f.field, f.rule, f.rows) for f in found.faults] == [("a", "dtype", (0,))]


@pytest.mark.parametrize(("datatype", "value"), [("FP16", 1e6), ("FP32", -1e39)])
def test_what_a_narrow_float_does_not_hold_is_refused(datatype: str, value: float) -> None:
    assert refused(tensor([value], datatype)).code is RefusalCode.TOO_LARGE


def test_whole_numbers_that_no_double_holds_are_refused() -> None:
    with pytest.raises(Refused) as found:
        arrays_of(read(tensor([2**53 + 1], "INT64")).table.columns)
    assert found.value.code is RefusalCode.TOO_LARGE


@pytest.mark.parametrize(
    "held",
    [
        {"shape": [3]},
        {"shape": [2, 2]},
        {"shape": [2, 1, 1]},
        {"shape": []},
        {"shape": [2, 1], "data": [[1, 2], [3]]},
        {"shape": [2, 1], "data": [[1], 2]},
    ],
)
def test_a_tensor_that_is_no_column_is_refused(held: dict[str, Any]) -> None:
    found = refused(tensor([1.0, 2.0]) | held)
    assert found.code is RefusalCode.OUT_OF_CONTRACT
    assert found.faults[0].rule == "shape"


def test_tensors_of_different_lengths_are_refused() -> None:
    found = refused(tensor([1.0, 2.0]), tensor([1.0]) | {"name": "b"})
    assert [(f.field, f.rule) for f in found.faults] == [("b", "shape")]


def column(**more: Any) -> dict[str, Any]:
    return {"name": "a", "shape": [1], "datatype": "FP64", "data": [1]} | more


NO_REQUESTS: list[Any] = [
    [],
    {},
    {"inputs": []},
    {"inputs": {}},
    {"inputs": [1]},
    {"inputs": [{"name": "a"}]},
    *({"inputs": [column(name=name)]} for name in (None, 1, [])),
    *({"inputs": [column(datatype=one)]} for one in ("FP99", ["FP64"], None)),
    *({"inputs": [column(shape=one)]} for one in ([-1], [1.5], [True], 1, None)),
    {"inputs": [column(data=1)]},
    {"inputs": [column(shape=[0], data=[])]},
    {"inputs": [column(x=1)]},
    {"inputs": [column()], "id": 7},
    {"inputs": [column()], "x": 7},
    {"inputs": [column()], "outputs": 7},
    {"inputs": [column()], "outputs": [{}]},
    {"inputs": [column()], "outputs": [{"name": "a", "x": 1}]},
    {"inputs": [column()], "parameters": []},
]


@pytest.mark.parametrize("body", NO_REQUESTS, ids=json.dumps)
def test_a_body_that_is_no_request_is_refused(body: Any) -> None:
    with pytest.raises(Refused) as found:
        read_inference(json.dumps(body).encode())
    assert found.value.code is RefusalCode.MALFORMED


def test_a_tensor_that_is_named_twice_is_refused() -> None:
    assert refused(tensor([1.0]), tensor([2.0])).code is RefusalCode.MALFORMED


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
    ],
)
def test_the_binary_extension_is_refused_in_words(more: dict[str, Any]) -> None:
    found = refused(tensor([1.0]), **more)
    assert found.code is RefusalCode.UNSUPPORTED_MEDIA_TYPE
    assert "binary" in found.what


def test_parameters_and_outputs_are_read() -> None:
    request = read(
        tensor([1.0], parameters={"x": 1}),
        id="42",
        parameters={"binary_data_output": False},
        outputs=[{"name": "y"}, {"name": "y"}],
    )
    assert (request.id, request.outputs) == ("42", ("y",))
    assert read(tensor([1.0]), outputs=[]).outputs is None
