"""Faults of a Ray cluster: a node that dies with trainings in hand, an interruption, other versions.

The cluster is real: two nodes that train, each with processes of its own, on loopback addresses.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import epochal as ep
from epochal.choose.comparison import compare as compare_module
from epochal.choose.comparison.compare import compare
from epochal.choose.trials import trial_runner as remote
from epochal.choose.trials.store import Store
from epochal.choose.trials.timing import measure
from epochal.choose.trials.trial import Interrupted
from epochal.errors import MissingExtra, ProcessLost, Refusal
from epochal.settings import Settings
from epochal.training import repeats
from epochal.training.executor import RayCluster, cluster as cluster_module
from epochal.training.prepare import prepare
from epochal.training.resume import resuming
from helpers import assert_same_bits, need, without_times

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:os.fork"),  # a node that starts forks, and is another program
]

NET = ep.MLP(4)
REPEATS = {"batch_size": 4, "optimizer": "sgd", "epochs": 1500, "evaluate_every": 50, "repeats": 6}
"""Repeats of one training, each of some tenths of a second."""
OPTIONS = {"batch_size": [4, 8], "optimizer": "sgd", "epochs": 40, "repeats": 3}
"""Batch sizes whose rates are tuned: some 50 trainings of some 10 milliseconds, in waves."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """The address of a cluster, and its nodes that train."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    need("ray")
    import ray
    from ray.cluster_utils import Cluster

    # A node that dies is missed at once, and not after the minute that is right for a real network.
    health = {f"health_check_{name}": value for name, value in HEALTH.items()}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "node_ip_address": "127.0.0.2", "_system_config": health, **SMALL},
    )
    try:
        yield (
            cluster,
            [cluster.add_node(num_cpus=1, node_ip_address=f"127.0.0.{number}", **SMALL) for number in (3, 4)],
        )
    finally:
        ray.shutdown()
        cluster.shutdown()


SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
HEALTH = {"period_ms": 300, "failure_threshold": 2, "initial_delay_ms": 0}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(
        compare_module, "measure", lambda runner, several: measure(runner, several, seconds=0.005)
    )


@pytest.fixture(scope="module")
def here():
    """The comparison as this process makes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare_module, "measure", lambda runner, several: measure(runner, several, 0.005))
        return compare(NET, "example:iris", **OPTIONS)


@pytest.fixture
def seen(monkeypatch):
    """The clusters that were joined, the keys of jobs that were sent, and of those that were kept."""
    joined, sent, kept = [], [], []
    begin, share, add = RayCluster._begin, remote.with_shared_refs, Store.add
    monkeypatch.setattr(RayCluster, "_begin", lambda self: (joined.append(self), begin(self)))

    def sharing(jobs, put):
        assert not {job.key for job in jobs} & {*kept}, "what is finished is not done again"
        sent.extend(job.key for job in jobs)
        return share(jobs, put)

    monkeypatch.setattr(remote, "with_shared_refs", sharing)
    monkeypatch.setattr(Store, "add", lambda self, key, trial: (kept.append(key), add(self, key, trial)))
    return joined, sent, kept


class Doom:
    """Ends a node, with all its processes, while a worker there has something in hand."""

    def __init__(self, cluster, node):
        self.cluster, self.node, self.lost = cluster, node, []

    def strike(self, joined):
        """Hold the node if it trains, see that it has not answered, and end it; if not, another time."""
        import ray

        if self.lost:
            return
        pids = processes_of(self.node)
        tell(pids, signal.SIGSTOP)
        has = {ref: task for ref, (one, task) in [*joined._running.items()] if one.node == self.node.node_id}
        if not has or ray.wait([*has], timeout=0.05)[0] or not {*has} <= joined._running.keys():
            tell(pids, signal.SIGCONT)
            return
        self.lost.extend(has.values())
        tell(pids, signal.SIGKILL)
        self.cluster.remove_node(self.node, allow_graceful=False)


def processes_of(node):
    """The workers of a node: the children of its raylet."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == raylet:
                found.append(int(path.parent.name))
    return found


def tell(pids, number):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_other_versions_are_refused(nodes, monkeypatch):
    mine = cluster_module.environment()
    monkeypatch.setattr(cluster_module, "environment", lambda: {**mine, "jax": "0.9.0", "epochal": "0.0.1"})
    words = f"epochal {ep.__version__} there and 0.0.1 here, jax {mine['jax']} there and 0.9.0 here"
    with pytest.raises(Refusal, match=f"must train as this machine does; 127.0.0.*{words}"):
        compare(NET, "example:iris", ray=nodes[0].address, **OPTIONS)


def test_what_cannot_be_sent_is_refused(nodes):
    import threading

    lock = threading.Lock()
    model = (lambda key, sample: {"w": np.zeros((sample.shape[-1], 3), np.float32)}, lambda *_: lock)
    with pytest.raises(Refusal, match="can't be"):
        RayCluster(
            nodes[0].address, remote._trainer, model, remote.with_shared_refs, lambda: False, ""
        ).close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.2:1", '"127.0.0.2:1" can.t be joined'),
        ("local", 'must be the address of a running cluster.*got "local"'),
        ("", "must be the address of a running cluster"),
        ("127.0.0.2:x", "must be the address of a running cluster"),
    ],
)
def test_a_cluster_that_is_none_is_refused(address, words):
    need("ray")
    with pytest.raises(Refusal, match=words):
        compare(NET, "example:iris", ray=address, **OPTIONS)


def test_without_ray_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r'needs ray: pip install "epochal\[ray\]"'):
        compare(NET, "example:iris", ray="auto", **OPTIONS)


def test_a_node_that_dies_costs_only_what_it_had_in_hand(nodes, here, seen, tmp_path):
    """Interrupted, gone on with, and one of two nodes killed while it trains: the table is the local one."""
    cluster, (doomed, _) = nodes
    joined, sent, kept = seen
    stop_signal, steps = ep.StopSignal(), []

    def interrupt(step):
        steps.append(step)
        if len(kept) > 4:
            stop_signal.stop()

    folder, address = tmp_path / "kept", cluster.address
    with pytest.raises(Interrupted):
        compare(
            NET,
            "example:iris",
            ray=address,
            folder=folder,
            stop_signal=stop_signal,
            watch=interrupt,
            **OPTIONS,
        )
    assert steps[-1].where == "2 workers on 2 nodes"
    before = len(kept)
    sent.clear()  # what was stopped is sent again
    doom = Doom(cluster, doomed)

    def kill(step):
        steps.append(step)
        if len(kept) >= before + 8:
            doom.strike(joined[-1])

    there = compare(NET, "example:iris", ray=address, folder=folder, watch=kill, **OPTIONS)
    killed = [job.key for task in doom.lost for job in task.work]
    assert killed, "no node died"
    assert without_times(there) == without_times(here)
    for name, curves in here.curves.items():
        for column, values in curves.columns.items():
            np.testing.assert_array_equal(values, there.curves[name].columns[column])
    assert max(Counter(kept).values()) == 1, "each was kept once"
    times = Counter(sent)
    again = {key for key in times if times[key] > 1}
    assert {*killed} <= again, "what was lost was done again"
    assert len(again) <= cluster_module.AHEAD and max(times.values()) == 2, "and no more than a worker has"
    assert steps[-1].where == "1 worker on 1 node"
    assert any(f"node {doomed.node_ip_address} was lost" in step.text for step in steps)
    assert any("1 node died on the way" in note for note in there.notes)


def test_repeats_of_one_training_survive_an_interruption_and_a_node(nodes, seen, tmp_path):
    """Interrupted, gone on with, and one of two nodes killed while it trains: the run is the local one."""
    cluster, joined = nodes[0], seen[0]
    here = ep.fit(NET, "example:iris", **REPEATS)
    folder, stop_signal, ended = tmp_path / "run", ep.StopSignal(), set()
    out = ep.SaveOptions(folder, "1epoch")
    for event in ep.train(
        NET, "example:iris", out=out, ray=cluster.address, stop_signal=stop_signal, **REPEATS
    ):
        if isinstance(event, ep.RepeatEnded) and "epochs done" in event.reason:
            ended.add(event.repeat)
            stop_signal.stop()
    assert event.run.interrupted and 1 <= len(ended) < 6
    sent = {}
    doom = Doom(cluster, cluster.add_node(num_cpus=1, node_ip_address="127.0.0.5", **SMALL))
    events, going_on = [], resuming(folder, ray=cluster.address)
    share = joined[-1]._share

    def sharing(stack, put):
        sent.setdefault(stack[0], share(stack, put)[1])
        return share(stack, put)

    joined[-1]._share = sharing
    for event in going_on:
        events.append(event)
        doom.strike(joined[-1])
    assert doom.lost, "no node died"
    most = here.plan.updates
    whole = {repeat for repeat, known in sent.items() if known and known.updates == most}
    assert whole == ended, "what is finished is not done again"
    there = event.run
    for name, values in here.curves.columns.items():
        np.testing.assert_array_equal(values, there.curves.columns[name])
    for mine, other in zip(here.fitted, there.fitted, strict=True):
        assert_same_bits((mine.best, mine.last), (other.best, other.last))
    for mine, other in zip(here.outcomes, there.outcomes, strict=True):
        assert replace(mine, seconds=other.seconds) == other
    assert here.metrics == there.metrics
    assert any("was lost" in one.text for one in events if isinstance(one, ep.ClusterNote))
    assert "1 node died on the way" in there.environment["trained_on"]
    assert ep.load(folder).curves.update.tolist() == here.curves.update.tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stream": True}, "need the data in memory.*which is streamed"),
        ({"ray": "local"}, "must be the address of a running cluster"),
    ],
)
def test_a_training_that_cannot_go_to_a_cluster_is_refused(options, words, tmp_path):
    need("ray")
    with pytest.raises(Refusal, match=words):
        ep.fit(NET, "example:iris", **{"ray": "127.0.0.2:1", "epochs": 1, "out": tmp_path / "run"} | options)
    assert not list(tmp_path.iterdir())


def test_a_training_on_several_devices_is_not_sent():
    one = prepare(NET, "example:iris", Settings())
    several = replace(one, settings=replace(one.settings, devices=2))
    with pytest.raises(Refusal, match=r"devices must be 1 where repeats go to a Ray cluster.*got 2"):
        repeats.cluster_for(several, "auto", None, ep.StopSignal(), ExitStack())


def test_nobody_left_is_said_and_the_rest_is_kept(nodes, here, seen, tmp_path, monkeypatch):
    cluster, _ = nodes
    monkeypatch.setattr(cluster_module, "ALONE_SECONDS", 20.0)

    def kill(step):
        if len(seen[2]) < 3:
            return
        monkeypatch.setattr(cluster_module, "ALONE_SECONDS", 0.5)
        for node in list(cluster.worker_nodes):  # one less where a test before has taken it
            tell(processes_of(node), signal.SIGKILL)
            cluster.remove_node(node, allow_graceful=False)

    folder = tmp_path / "kept"
    with pytest.raises(ProcessLost, match=r"no worker is left on the Ray cluster.*the same call goes on"):
        compare(NET, "example:iris", ray=cluster.address, folder=folder, watch=kill, **OPTIONS)
    kept = len(seen[2])
    found = compare(NET, "example:iris", folder=folder, **OPTIONS)
    assert without_times(found) == without_times(here)
    assert max(Counter(seen[2]).values()) == 1 and len(seen[2]) > kept >= 3
