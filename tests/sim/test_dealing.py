"""The order in which runs are dealt: the longest first, and those on one routing together, to one worker."""

from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.dealing import Waiting, dealing_order


def test_longest_first_and_one_routing_after_another() -> None:
    settings = [
        {"seed": 1},
        {"seed": 2},
        {"seed": 2, "workload.output_tokens": 100},
        {"seed": 1, "policy.gpu_experts": 1},
        {"seed": 1, "workload.batch": 50},
        {"seed": 2, "assumptions.cxl-link-rate": "32 GB/s"},
        {"seed": 1, "model": "mixtral-8x22b"},
        {"seed": 1, "machine.set.links.gpu-cxl.peak": "32 GB/s"},
    ]
    base = {"workload.prompt_tokens": 8, "workload.output_tokens": 8, "workload.batch": 2}
    experiments = [load_experiment("cxl-ndp-mixtral-8x7b-2bit", {**base, **one}) for one in settings]
    assert dealing_order(experiments) == [(4, 3), (2, 2), (0, 0), (7, 0), (3, 0), (1, 1), (5, 1), (6, 4)]
    assert dealing_order([]) == []


def test_a_worker_goes_on_with_its_group_and_helps_others_at_the_end() -> None:
    waiting = Waiting("aaabbbbc", str)
    workers = {"one": "", "two": ""}
    dealt: dict[str, str] = {"one": "", "two": ""}
    for _ in range(4):
        for name in workers:
            elsewhere = {group for other, group in workers.items() if other != name}
            workers[name] = waiting.take(workers[name], elsewhere)
            dealt[name] += workers[name]
    assert dealt == {"one": "aaac", "two": "bbbb"}
    assert len(waiting) == 0
    waiting = Waiting("aaaa", str)
    assert [waiting.take("b", {"a"}), waiting.take("a", {"a"})] == ["a", "a"]


@given(st.lists(st.integers(0, 30), unique=True), st.data())
def test_every_task_is_taken_once_and_what_comes_back_is_next(tasks: list[int], data: st.DataObject) -> None:
    waiting = Waiting(tasks, lambda task: task % 3)
    taken: list[int] = []
    while len(waiting):
        if taken and data.draw(st.booleans()):
            back = taken[-2:]
            del taken[-2:]
            waiting.put_first(back)
            again = [waiting.take(task % 3, ()) for task in back]
            assert sorted(again) == sorted(back)
            taken += again
        taken.append(waiting.take(data.draw(st.integers(0, 3)), {0, 1}))
    assert sorted(taken) == sorted(tasks)
    waiting.put_last(5)
    assert (len(waiting), waiting.take(None, ())) == (1, 5)
