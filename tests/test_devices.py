"""Devices are chosen with a reason, and never replaced silently."""

from pathlib import Path

import pytest
import torch

from impasto import devices
from impasto.devices import (
    choose_device,
    choose_precision,
    describe_machine,
    measure_free_memory,
)
from impasto.errors import ConfigError

CPU = torch.device("cpu")


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_what_this_machine_has() -> None:
    choice = choose_device()
    found = "cuda" if torch.cuda.is_available() else "cpu"
    if torch.backends.mps.is_available():
        found = "mps"
    assert choice.device.type == found
    assert choice.reason
    torch.zeros(1, device=choice.device)


@pytest.mark.usefixtures("no_accelerator")
def test_auto_without_accelerator_is_the_cpu_with_a_reason() -> None:
    choice = choose_device("auto")
    assert choice.device == CPU
    assert "CUDA" in choice.reason


def test_auto_prefers_cuda_then_metal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == (torch.device("mps"), "found Metal")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Test 9000")
    assert choose_device() == (torch.device("cuda"), "found Test 9000")


def test_the_cpu_as_asked() -> None:
    assert choose_device("cpu") == (CPU, "as asked")


@pytest.mark.parametrize("wanted", ["gpu", "", "CPU", "cuda0", ":1", "auto:1", "xla"])
def test_an_unknown_device_is_refused(wanted: str) -> None:
    with pytest.raises(ConfigError, match=r"Unknown device '.*'; choose from auto, cpu, cuda, mps"):
        choose_device(wanted)


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_not_replaced(wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"Cannot use {wanted}: .* Choose --device cpu\.") as why:
        choose_device(wanted)
    assert "\n" not in str(why.value)


@pytest.mark.parametrize("wanted", ["cpu:x", "cpu:", "cuda:x", "cuda:99"])
def test_a_number_that_is_none_is_refused(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise AssertionError("Invalid device id")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", missing)
    with pytest.raises(ConfigError, match=f"There is no device '{wanted}'; see impasto doctor"):
        choose_device(wanted)


def test_precision_as_asked() -> None:
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ({}, torch.float32),
        ({"avx2": True, "avx512_f": True}, torch.float32),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ],
)
def test_auto_precision_is_half_where_the_hardware_is_built_for_it(
    capabilities: dict[str, bool], wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", CPU) == wanted
    assert choose_precision("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize("supported", [True, False])
def test_auto_precision_on_a_gpu(supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    wanted = torch.bfloat16 if supported else torch.float32
    assert choose_precision("auto", torch.device("cuda")) == wanted


def test_free_memory_of_this_machine_is_plausible() -> None:
    free = measure_free_memory(CPU)
    assert free is None or 2**20 < free < 2**50


@pytest.mark.parametrize(
    ("system", "group", "wanted"),
    [(5, 3, 3), (3, 5, 3), (5, None, 5), (None, 4, 4), (None, None, None), (5, 0, 0)],
)
def test_free_memory_is_the_tightest_limit(
    system: int | None, group: int | None, wanted: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_free_by_system", lambda: system)
    monkeypatch.setattr(devices, "_free_by_cgroup", lambda: group)
    assert measure_free_memory(CPU) == wanted


@pytest.mark.parametrize(
    ("limit", "used", "stat", "wanted"),
    [
        ("1000\n", "900\n", "anon 600\ninactive_file 250\n", 350),
        ("1000\n", "1200\n", "inactive_file 0\n", 0),
        ("max\n", "900\n", "inactive_file 0\n", None),
        ("1000\n", None, None, None),
        ("1000\n", "900\n", "anon 600\n", None),
        ("much\n", "900\n", "", None),
        (None, None, None, None),
    ],
)
def test_free_memory_in_a_container_counts_cached_files_as_free(
    limit: str | None,
    used: str | None,
    stat: str | None,
    wanted: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in (("max", limit), ("current", used), ("stat", stat)):
        if text is not None:
            (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(devices, "Path", lambda _: tmp_path)
    assert devices._free_by_cgroup() == wanted


def test_free_memory_of_a_gpu_is_asked_of_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (7, 9))
    assert measure_free_memory(torch.device("cuda")) == 7


def test_the_machine_is_described_in_words() -> None:
    facts = describe_machine()
    assert facts["torch"] == torch.__version__
    assert set(facts) >= {"system", "python", "processor", "threads", "free memory", "GPU"}
    assert all(isinstance(text, str) and text.strip() for text in facts.values())
    assert not any("\n" in text for text in facts.values())
