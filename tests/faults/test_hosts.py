"""Faults of processes that train together: half-given addresses, doubles, deaths, silence.

Here they are threads of one process, each with a real watcher; tests/cli/test_cli_hosts.py has real ones.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from jaxlib import _jax

from epochal.errors import ProcessLost, Refusal, SaveFailed
from epochal.training.processes import ProcessGroup, distributed, init_distributed, watcher_client
from epochal.training.processes.distributed import process_info
from epochal.training.processes.watcher_client import ProcessInfo, WatcherClient

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def ended(monkeypatch):
    """A process that waits in vain would be ended; here that is only noted."""
    statuses = []
    monkeypatch.setattr(watcher_client, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(watcher_client, "PORT_SECONDS", 0.3)
    monkeypatch.setattr(watcher_client.os, "_exit", statuses.append)
    return statuses


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def watched(port):
    """Start the watchers of some places among `count` side by side; what each gives or raises, in order."""
    found = []

    def start(*places, heartbeat_timeout=60, timeout=60):
        def tried(place):
            try:
                found.append(
                    WatcherClient(ProcessInfo(f"127.0.0.1:{port}", *place), heartbeat_timeout, timeout)
                )
                return found[-1]
            except Refusal as refusal:
                return refusal

        with ThreadPoolExecutor(len(places)) as threads:
            return list(threads.map(tried, places))

    yield start
    for one in found:
        one.leave()
        one.close()
    for one in found:
        one.process.kill()
        one.process.wait()
        for thread in threading.enumerate():
            if thread.name == "epochal-hosts":  # it reads what is closed now, until it ends
                thread.join(10)
        one._stdout.close()


@pytest.fixture
def started(watched):
    """Start `count` processes; each is seen through `ProcessGroup`."""
    stores = []

    def start(count, heartbeat_timeout=60):
        watches = watched(*((index, count) for index in range(count)), heartbeat_timeout=heartbeat_timeout)
        address = f"127.0.0.1:{free_port()}"
        stores.append(_jax.get_distributed_runtime_service(address, count, recoverable=True))
        clients = [_jax.get_distributed_runtime_client(address, index) for index in range(count)]
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(lambda client: client.connect(), clients))
        stores[:0] = clients
        return [
            ProcessGroup(index, count, *both) for index, both in enumerate(zip(watches, clients, strict=True))
        ]

    yield start
    for one in stores:
        one.shutdown()


def each(processes, work):
    """What `work` returns or raises in every process, side by side."""

    def tried(process):
        try:
            return work(process)
        except (RuntimeError, Refusal, TypeError) as error:
            return error

    found = {}
    threads = [
        threading.Thread(target=lambda one=one: found.__setitem__(one.index, tried(one)), daemon=True)
        for one in processes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(found) == len(processes), "a process waits for ever"
    return [found[one.index] for one in processes]


# Where a process belongs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("a:1", None, 2), "belong together; process_id is missing"),
        ((None, 0, None), "belong together; coordinator and processes are missing"),
        (("a:1", 2, 2), "process_id must be between 0 and 1; got 2"),
        (("a:1", -1, 2), "process_id must be between 0 and 1; got -1"),
        (("a:1", 0, 0), "processes must be at least 1; got 0"),
        (("a", 0, 2), 'coordinator must be HOST:PORT, such as 10.0.0.1:1234; got "a"'),
        ((":1", 0, 2), "coordinator must be HOST:PORT"),
        (("a:99999", 0, 2), "coordinator must be HOST:PORT"),
        (("a:1", True, 2), "process_id must be a whole number; got True"),
    ],
)
def test_a_place_that_is_none_is_refused(given, sentence):
    with pytest.raises(Refusal, match=sentence):
        process_info(*given)


def test_nothing_detected_is_refused_with_the_remedy(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI", "JAX_COORD", "KUBERNETES_", "TPU_")):
            monkeypatch.delenv(name)
    names = {"coordinator": "--coordinator", "process_id": "--process-id", "processes": "--processes"}
    with pytest.raises(Refusal, match=r"no Slurm, Open MPI.*give --coordinator, --process-id and"):
        process_info(None, None, None, names)


def test_slurm_is_detected(monkeypatch):
    told = {"JOB_ID": "4096", "STEP_NODELIST": "node[001-004]", "NTASKS": "4", "PROCID": "3", "LOCALID": "1"}
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert process_info(None, None, None) == ProcessInfo("node001:61440", 3, 4, (1,))


def test_one_process_is_no_different():
    init_distributed("10.0.0.1:1", 0, 1)


# Joining ---------------------------------------------------------------------------------------------------


def test_an_address_that_cannot_be_listened_at_is_refused(watched, port):
    with socket.create_server(("", port)):
        (refusal,) = watched((0, 2))
    assert f"a free port; got 127.0.0.1:{port}: " in str(refusal)
    assert "in use" in str(refusal)


def test_a_process_0_that_does_not_come_is_refused(watched, port):
    (refusal,) = watched((1, 2), timeout=1)
    assert f"process 0 must listen at 127.0.0.1:{port} within 1 s" in str(refusal)


def test_a_process_that_does_not_come_is_named_to_all_others(watched):
    sentence = "all 3 processes must join within 4 s; missing: 1. Start"
    assert [str(one)[: len(sentence)] for one in watched((0, 3), (2, 3), timeout=4)] == [sentence] * 2


def test_a_process_that_is_interrupted_while_others_are_missing_leaves_nothing_behind(port):
    code = (
        f"from epochal.training.processes import init_distributed; init_distributed('127.0.0.1:{port}', 0, 2)"
    )
    waiting = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not listening(port):
        time.sleep(0.1)
    waiting.kill()
    waiting.wait()
    watcher_client._check_port(ProcessInfo(f"127.0.0.1:{port}", 0, 2))


def test_a_process_with_a_number_that_there_is_not_is_refused(watched):
    _, refusal = watched((0, 2), (2, 3), timeout=4)
    assert str(refusal) == "all processes must have the same number of processes; process 0 does not have 3."


def test_a_process_with_the_number_of_another_one_is_refused(watched):
    refusals = [str(one) for one in watched((0, 3), (1, 3), (1, 3), timeout=4)]
    assert refusals.count("each process must have a number of its own; another one has 1, too.") == 1
    assert sum("missing: 2" in one for one in refusals) == 2


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"version": "2"}, "all processes must have the same version; process 0 has 1, process 1 has 2."),
        (
            {"number of processes": 3},
            "all processes must have the same number of processes; process 0 has 2, process 1 has 3.",
        ),
    ],
)
def test_a_process_that_does_not_fit_is_refused(started, other, sentence):
    mine = {"version": "1", "number of processes": 2}

    def work(process):
        wish = {**mine, **other} if process.index else mine
        return process.decide("joining", wish, distributed._check_alike)

    assert [str(one) for one in each(started(2), work)] == [sentence] * 2


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\n", b"\0\0\0\x03[1]"])
def test_a_stranger_disturbs_nobody(started, port, line):
    processes = started(2)
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(line)
        stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(10)
        while stranger.recv(200):
            pass
    assert each(processes, lambda one: one.decide("call", one.index, sum)) == [1, 1]


# Agreement -------------------------------------------------------------------------------------------------


def test_all_get_what_process_0_decides_from_the_wishes_of_all(started):
    processes = started(4)
    for turn in range(20):
        rule = (min, max, list)[turn % 3]
        found = each(processes, lambda one, rule=rule: one.decide("call", one.index, rule))
        assert found == [(0, 3, [0, 1, 2, 3])[turn % 3]] * 4


def test_a_refusal_of_the_rule_is_one_everywhere(started):
    def rule(wishes):
        raise Refusal("the data must be the same.")

    found = each(started(3), lambda one: one.decide("data", one.index, rule))
    assert [str(one) for one in found] == ["the data must be the same."] * 3


def test_what_one_process_refuses_is_refused_by_all_which_go_on(started):
    def work(process, refusing):
        if process.index in refusing:
            raise Refusal("batch_size must be at least 1.")
        return process.index

    processes = started(3)
    for refusing, sentence in (
        ((1,), "process 1 of 3 refuses: batch_size must be at least 1."),
        ((0, 1, 2), "batch_size must be at least 1."),
    ):
        found = each(processes, lambda one, who=refusing: one.run_on_all("training", lambda: work(one, who)))
        assert [str(one) for one in found] == [sentence] * 3
    assert each(processes, lambda one: one.run_on_all("training", lambda: work(one, ()))) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_while_all_agree_is_told_to_the_others(started, failing):
    def work(process):
        if process.index == failing:
            raise SaveFailed("there is no space left on the disk.")

    found = each(started(3), lambda one: one.run_on_all("training", lambda: work(one)))
    sentence = f"process {failing} of 3 failed: SaveFailed: there is no space left on the disk."
    assert isinstance(found.pop(failing), SaveFailed)
    assert [str(one) for one in found] == [sentence] * 2


def test_an_error_of_what_process_0_does_alone_is_told_to_the_others(started):
    def write():
        raise SaveFailed("there is no space left on the disk.")

    found = each(started(2), lambda one: one.run_on_leader("the folder", write))
    assert [type(one) for one in found] == [SaveFailed, ProcessLost]


def test_what_can_not_be_said_fails_instead_of_holding_up_the_others(started):
    found = each(started(2), lambda one: one.decide("call", object() if one.index else 0, len))
    assert [type(one) for one in found] == [ProcessLost, TypeError]


def test_long_wishes_arrive(started):
    names = ["x" * 20 + str(number) for number in range(100_000)]
    assert (
        each(started(2), lambda one: one.decide("columns", names, lambda wishes: len(wishes[1])))
        == [100_000] * 2
    )


def test_processes_that_are_out_of_step_end(started):
    found = each(started(2), lambda one: one.decide(["call", "the end"][one.index], None, len))
    assert [type(one) for one in found] == [RuntimeError, ProcessLost]
    assert all("process 0 decides about call, process 1 about the end" in str(one) for one in found)


def test_alone_a_decision_is_the_rule_of_one_wish():
    assert ProcessGroup().decide("call", 3, lambda wishes: wishes) == [3]
    ProcessGroup().end()


# Deaths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_death_is_heard_of_at_once_by_all_others(started, dead):
    processes = started(3)
    rest = [one for one in processes if one.index != dead]
    for one in rest:
        one.set_remedy("`epochal resume x` goes on.")
    threading.Timer(0.2, processes[dead].close).start()
    begin = time.monotonic()
    found = each(rest, lambda one: one.decide("call", 1, sum))
    assert time.monotonic() - begin < 5
    for one in found:
        assert isinstance(one, ProcessLost)
        assert f"process {dead} of 3 (host " in str(one)
        assert "is gone: it was killed or has crashed. `epochal resume x` goes on." in str(one)


@pytest.mark.parametrize(("silent", "why"), [(0, "its coordination service does not"), (1, "no heartbeat")])
def test_one_that_is_silent_is_taken_for_gone(started, silent, why):
    processes = started(2, heartbeat_timeout=4)
    processes[silent]._watch.process.send_signal(signal.SIGSTOP)  # as if its machine had lost power
    begin = time.monotonic()
    with pytest.raises(ProcessLost, match=f"process {silent} of 2 .* is gone: {why}"):
        processes[1 - silent].decide("call", 1, sum)
    assert time.monotonic() - begin < 20


def test_an_error_in_a_sum_of_all_waits_for_the_heartbeat_that_is_missed(started):
    processes = started(2, heartbeat_timeout=4)
    processes[1]._watch.process.kill()
    cause = processes[0].cause(RuntimeError("Gloo all-reduce failed: Connection reset by peer"))
    assert re.match(r"process 1 of 2 \(.*\) is gone: no heartbeat for 4 s\.", str(cause))
    with pytest.raises(ProcessLost, match="process 1 of 2 is cut off from the others: its watcher ended"):
        processes[1].check(5.0)


def test_processes_that_do_nothing_together_for_long_are_not_taken_for_gone(started):
    processes = started(2, heartbeat_timeout=3)
    time.sleep(6)
    assert each(processes, lambda one: one.decide("call", 1, sum)) == [2, 2]


def test_a_failure_is_told_to_all(started):
    processes = started(3)
    threading.Timer(0.2, processes[2].fail, ["DataFailed: row 7 is gone."]).start()
    found = each(processes[:2], lambda one: one.decide("call", 1, sum))
    assert [str(one) for one in found] == ["process 2 of 3 failed: DataFailed: row 7 is gone."] * 2


def test_who_does_not_hear_of_a_death_is_ended(started, ended, capfd):
    processes = started(2)
    processes[0].set_remedy("`epochal resume x` goes on.")
    processes[1].close()
    time.sleep(3.0)  # as in a collective operation that waits for ever
    assert ended == [1]
    assert "\nepochal: process 1 of 2 (host " in capfd.readouterr().err


def test_at_the_end_nobody_minds_who_has_gone(started):
    processes = started(3)
    ending = threading.Thread(target=each, args=(processes[2:], lambda one: one.end()))
    ending.start()
    time.sleep(0.5)
    processes[2].close()
    processes[0].check(2.0)
    assert each(processes[:2], lambda one: one.end()) == [None, None]
    ending.join()


def test_at_the_end_all_mind_whether_process_0_has_written(started):
    processes = started(3)
    threading.Timer(0.3, processes[0].close).start()
    found = each(processes[1:], lambda one: one.end())
    assert ["process 0 of 3" in str(one) for one in found] == [True, True]


def test_joining_needs_no_jax_where_it_is_refused():
    code = (
        "import sys; from epochal.errors import Refusal\n"
        "from epochal.training.processes import init_distributed\n"
        "try: init_distributed('a:1')\nexcept Refusal as error: print(error)\nassert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "belong together; process_id and processes are missing" in done.stdout
