"""Faults of processes that train together: half-given places, strangers, doubles, deaths, silence.

Here process 0 and the others are nodes in threads of one process; tests/cli/test_cli_hosts.py has real ones.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from epochal.errors import HostLost, Refusal, SaveFailed
from epochal.hosts import Place, Together, join, place_of
from epochal.hosts import node as nodes
from epochal.hosts.hub import Hub
from epochal.hosts.member import Member

pytestmark = pytest.mark.slow

VERSION = "1 with JAX 2"


@pytest.fixture(autouse=True)
def ended(monkeypatch):
    """A node that waits in vain would end the process; here that is only noted."""
    statuses = []
    monkeypatch.setattr(nodes, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(nodes.os, "_exit", statuses.append)
    return statuses


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def started(port):
    """Start `count` processes; each is seen through `Together`."""
    open_nodes = []

    def start(count, silence=30.0, service=9):
        address = f"127.0.0.1:{port}"
        with ThreadPoolExecutor(count) as threads:
            members = [
                threads.submit(Member, Place(address, index, count), VERSION, silence, 10.0)
                for index in range(1, count)
            ]
            hub = Hub(Place(address, 0, count), VERSION, service, silence)
            hub.gather(10.0)
            open_nodes.extend([hub, *(member.result() for member in members)])
        return [Together(index, count, node) for index, node in enumerate(open_nodes)]

    yield start
    for node in open_nodes:
        node.close()


def each(processes, work):
    """What `work` returns or raises in every process, side by side."""

    def tried(process):
        try:
            return work(process)
        except (HostLost, Refusal, SaveFailed, TypeError) as error:
            return error

    found = {}
    threads = [
        threading.Thread(target=lambda one=one: found.__setitem__(one.index, tried(one)), daemon=True)
        for one in processes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
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
        place_of(*given)


def test_nothing_detected_is_refused_with_the_remedy(monkeypatch):
    for name in list(nodes.os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI", "JAX_COORD", "KUBERNETES_", "TPU_")):
            monkeypatch.delenv(name)
    names = {"coordinator": "--coordinator", "process_id": "--process-id", "processes": "--processes"}
    with pytest.raises(Refusal, match=r"no Slurm, Open MPI.*give coordinator, process_id and processes"):
        place_of(None, None, None, names)


def test_slurm_is_detected(monkeypatch):
    told = {"JOB_ID": "4096", "STEP_NODELIST": "node[001-004]", "NTASKS": "4", "PROCID": "3", "LOCALID": "1"}
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert place_of(None, None, None) == Place("node001:61440", 3, 4, (1,))


def test_one_process_is_no_different():
    join("10.0.0.1:1", 0, 1)


def test_an_address_that_cannot_be_listened_at_is_refused(port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(Refusal, match=f"a free port; got 127.0.0.1:{port}: .*in use"):
            Hub(Place(f"127.0.0.1:{port}", 0, 2), VERSION, 9, 30.0)


def test_a_process_0_that_does_not_come_is_refused(port):
    with pytest.raises(Refusal, match=f"process 0 must listen at 127.0.0.1:{port} within 0.3 s"):
        Member(Place(f"127.0.0.1:{port}", 1, 2), VERSION, 30.0, 0.3)


def test_a_process_that_does_not_come_is_named_to_all_others(port):
    address = f"127.0.0.1:{port}"
    hub = Hub(Place(address, 0, 3), VERSION, 9, 30.0)
    sentence = "all 3 processes must join within 1 s; missing: 1"
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(Member, Place(address, 2, 3), VERSION, 30.0, 10.0)
        with pytest.raises(Refusal, match=sentence):
            hub.gather(1.0)
        with pytest.raises(Refusal, match=sentence):
            other.result()


@pytest.mark.parametrize(
    ("place", "version", "sentence"),
    [
        ((1, 3), VERSION, "each process must have a number of its own; 1 is that of host"),
        ((2, 4), VERSION, "the same number of processes; process 0 has 3, host .* has 4"),
        ((2, 3), "2", "the same version of epochal; process 0 has 1 with JAX 2, host .* has 2"),
    ],
)
def test_a_process_that_does_not_fit_is_refused(port, place, version, sentence):
    address = f"127.0.0.1:{port}"
    hub = Hub(Place(address, 0, 3), VERSION, 9, 30.0)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(Member, Place(address, 1, 3), VERSION, 30.0, 10.0)
        hub.wait(lambda: 1 in hub._links, 10.0)
        with pytest.raises(Refusal, match=sentence):
            Member(Place(address, *place), version, 30.0, 10.0)
        with pytest.raises(Refusal):
            hub.gather(0.1)
        with pytest.raises(Refusal):
            first.result()


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        b"\0\0",
        b"\0\0\0\x03[1]",
        b'\0\0\0\xff{"as": "member"',
        b'\0\0\0\x09{"as": 3}',
        b"\0\0\x0f\xff" + b"[" * 4095,
        b'\xff\xff\xff\xff{"as": "member"}',
        b'\0\0\0\x10{"as": "member"}',
        b'\0\0\0\x2b{"as": "member", "version": "1 with JAX 2"}',
    ],
)
def test_a_stranger_is_sent_away_and_disturbs_nobody(started, port, line):
    processes = started(2)
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(line)
        stranger.shutdown(socket.SHUT_WR)
        stranger.settimeout(10)
        reply = stranger.recv(200)
        assert reply == b"" or b'"say": "refused"' in reply
    assert each(processes, lambda one: one.decide("call", one.index, sum)) == [1, 1]


def test_a_stranger_who_announces_much_is_sent_away_before_it_comes(started, port):
    started(2)
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"\0\0\x10\x01{")
        stranger.settimeout(5)
        assert stranger.recv(100) == b""


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
        found = each(processes, lambda one, who=refusing: one.each("training", lambda: work(one, who)))
        assert [str(one) for one in found] == [sentence] * 3
    assert each(processes, lambda one: one.each("training", lambda: work(one, ()))) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_while_all_agree_is_told_to_the_others(started, failing):
    def work(process):
        if process.index == failing:
            raise SaveFailed("there is no space left on the disk.")

    found = each(started(3), lambda one: one.each("training", lambda: work(one)))
    sentence = f"process {failing} of 3 failed: SaveFailed: there is no space left on the disk."
    assert isinstance(found.pop(failing), SaveFailed)
    assert [str(one) for one in found] == [sentence] * 2


def test_an_error_of_what_process_0_does_alone_is_told_to_the_others(started):
    def write():
        raise SaveFailed("there is no space left on the disk.")

    found = each(started(2), lambda one: one.first("the folder", write))
    assert [type(one) for one in found] == [SaveFailed, HostLost]


def test_what_can_not_be_said_fails_instead_of_holding_up_the_others(started):
    found = each(started(2), lambda one: one.decide("call", object() if one.index else 0, len))
    assert [type(one) for one in found] == [HostLost, TypeError]


def test_long_wishes_arrive(started):
    names = ["x" * 20 + str(number) for number in range(100_000)]
    assert (
        each(started(2), lambda one: one.decide("columns", names, lambda wishes: len(wishes[1])))
        == [100_000] * 2
    )


def test_processes_that_are_out_of_step_end(started):
    found = each(started(2), lambda one: one.decide(["call", "the end"][one.index], None, len))
    assert all("process 0 does about call, process 1 does so about the end" in str(one) for one in found)


def test_alone_a_decision_is_the_rule_of_one_wish():
    assert Together().decide("call", 3, lambda wishes: wishes) == [3]
    assert Together().end()


# Deaths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_death_is_heard_of_at_once_by_all_others(started, dead):
    processes = started(3)
    rest = [one for one in processes if one.index != dead]
    for one in rest:
        one.remember("`epochal resume x` goes on.")
    threading.Timer(0.2, processes[dead].close).start()
    begin = time.monotonic()
    found = each(rest, lambda one: one.decide("call", 1, sum))
    assert time.monotonic() - begin < 3
    for one in found:
        assert isinstance(one, HostLost)
        assert f"process {dead} of 3 (" in str(one)
        assert "is gone: its connection has ended. `epochal resume x` goes on." in str(one)


@pytest.mark.parametrize("silent", [0, 1])
def test_one_that_is_silent_is_taken_for_gone(started, silent):
    processes = started(2, silence=0.9)
    held = processes[silent]._node
    held.soon(time.sleep, 4.0)  # its connections stay open, and it says nothing
    begin = time.monotonic()
    with pytest.raises(
        HostLost, match=f"process {silent} of 2 .* is gone: it has not been heard of for 0.9 s"
    ):
        processes[1 - silent].decide("call", 1, sum)
    assert time.monotonic() - begin < 3


def test_processes_that_do_nothing_together_for_long_are_not_taken_for_gone(started):
    processes = started(2, silence=0.6)
    time.sleep(1.5)
    assert each(processes, lambda one: one.decide("call", 1, sum)) == [2, 2]


def test_a_failure_is_told_to_all(started):
    processes = started(3)
    threading.Timer(0.2, processes[2].fail, ["DataFailed: row 7 is gone."]).start()
    found = each(processes[:2], lambda one: one.decide("call", 1, sum))
    assert [str(one) for one in found] == ["process 2 of 3 failed: DataFailed: row 7 is gone."] * 2


def test_who_does_not_hear_of_a_death_is_ended(started, ended, capfd):
    processes = started(2)
    processes[0].remember("`epochal resume x` goes on.")
    processes[1].close()
    time.sleep(1.0)  # as in a collective operation that waits for ever
    assert ended == [1]
    assert capfd.readouterr().err.startswith("epochal: process 1 of 2 (host ")


def test_at_the_end_nobody_minds_who_has_gone_and_all_know_of_it(started):
    processes = started(3)
    ending = threading.Thread(target=each, args=(processes[2:], lambda one: one.end()))
    ending.start()
    time.sleep(0.3)
    processes[2].close()
    time.sleep(0.3)
    processes[0].check()
    assert each(processes[:2], lambda one: one.end()) == [False, False]


def test_at_the_end_all_mind_whether_process_0_has_written(started):
    processes = started(3)
    threading.Timer(0.3, processes[0].close).start()
    found = each(processes[1:], lambda one: one.end())
    assert ["process 0 of 3" in str(one) for one in found] == [True, True]


def test_joining_needs_no_jax_where_it_is_refused():
    code = (
        "import sys; from epochal.hosts import join; from epochal.errors import Refusal\n"
        "try: join('a:1')\nexcept Refusal as error: print(error)\nassert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "belong together; process_id and processes are missing" in done.stdout


def test_a_tunnel_carries_bytes_and_stays_open_when_its_far_end_is_gone(started):
    with socket.socket() as service:
        service.bind(("127.0.0.1", 0))
        service.listen()
        processes = started(2, service=service.getsockname()[1])
        with socket.create_connection(("127.0.0.1", processes[1]._node.service)) as client:
            client.sendall(b"hello")
            end, _ = service.accept()
            assert end.recv(5) == b"hello"
            end.sendall(json.dumps({"a": 1}).encode())
            assert client.recv(100) == b'{"a": 1}'
            processes[0].close()
            end.close()
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
