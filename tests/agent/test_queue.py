"""Whose turn it is."""

from datetime import timedelta

from constructs_lib.agent.queue import Queue

NOW = timedelta(0)


def work(queue: Queue, *, spent: float) -> tuple[str, str] | None:
    """Take the next one and pretend that it took so many seconds."""
    taken = queue.take(NOW)
    if taken:
        queue.begin(*taken)
        queue.rest(taken[0], spent)
    return taken


def test_oldest_change_comes_first():
    """In the order in which they were seen."""
    queue = Queue()
    for name in ("b", "a", "c"):
        queue.add(name, name)

    assert [work(queue, spent=0) for _ in range(4)] == [("b", "b"), ("a", "a"), ("c", "c"), None]


def test_change_that_comes_again_counts_once():
    """A thousand changes of one ConfigMap are one look at its newest version."""
    queue = Queue()
    for _ in range(1000):
        queue.add("shop", "checkout")

    assert [work(queue, spent=0), work(queue, spent=0)] == [("shop", "checkout"), None]


def test_namespace_that_costs_much_lets_the_others_go_first():
    """It rests four times as long as it was worked for."""
    queue = Queue()
    for number in range(3):
        queue.add("busy", str(number))
    queue.add("shop", "checkout")

    assert [work(queue, spent=60), work(queue, spent=0), work(queue, spent=0)] == [
        ("busy", "0"),
        ("shop", "checkout"),
        None,
    ]
    assert queue.age() > 0


def test_change_during_the_work_is_another_change():
    """What was begun is forgotten, so that what comes meanwhile is not lost."""
    queue = Queue()
    queue.add("shop", "checkout")
    taken = queue.take(NOW)
    assert taken is not None
    queue.begin(*taken)
    queue.add("shop", "checkout")

    assert queue.take(NOW) == ("shop", "checkout")


def test_nothing_waits_for_no_time():
    """Without a change there is no age."""
    assert Queue().age() == 0


def test_what_could_not_be_done_is_as_old_as_it_was():
    """Or nobody would ever be told that nothing comes through."""
    queue = Queue()
    queue.add("shop", "checkout")
    since = queue.begin("shop", "checkout")
    queue.add("shop", "checkout")

    queue.add("shop", "checkout", since=since - 600)

    assert queue.age() > 600
