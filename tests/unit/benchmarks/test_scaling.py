from __future__ import annotations

from benchmarks.scaling import POINTS


def test_points_of_the_same_topic_have_the_same_history() -> None:
    histories = {
        point.topic: (point.users, point.events, point.days, point.disorder_ms, point.everyone) for point in POINTS
    }
    for point in POINTS:
        assert histories[point.topic] == (point.users, point.events, point.days, point.disorder_ms, point.everyone)


def test_one_and_two_task_managers_fold_the_same_after_both_are_warm() -> None:
    one, two = (point for point in POINTS if point.series == "task-managers")
    assert one.topic == two.topic
    assert one.warm_task_managers == two.task_managers  # it is measured first, so both of two are warm as well
