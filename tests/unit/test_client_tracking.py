"""The tracker of a channel: exactly once and in order over a lossy connection."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chairside.client.channels import CatchUp, HubEvent, Position
from chairside.client.tracking import ChannelTracker

CHANNEL = "appointments:dentist:d1"
EPOCH = 3


def event(offset: int | None, epoch: int | None = EPOCH) -> HubEvent:
    return HubEvent(
        id=f"e{offset}",
        type="appointment.created",
        channel=CHANNEL,
        offset=offset,
        epoch=epoch,
        time="2027-03-08T09:00:00Z",
        data={},
    )


def position(offset: int, epoch: int = EPOCH) -> Position:
    return Position(epoch=epoch, offset=offset)


def answer(
    offsets: Sequence[int], head: int, *, more: bool = False, recovered: bool = True
) -> CatchUp:
    return CatchUp(
        recovered=recovered, events=tuple(map(event, offsets)), more=more, position=position(head)
    )


def offsets(events: Sequence[HubEvent]) -> list[int | None]:
    return [each.offset for each in events]


def test_the_next_event_is_delivered() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    assert offsets(tracker.received(event(5)).deliver) == [5]
    assert tracker.position == position(5)


def test_a_known_event_is_dropped_and_counted() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    assert tracker.received(event(4)).deliver == ()
    assert tracker.duplicates == 1


def test_a_gap_requests_one_catch_up_that_closes_it() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    assert tracker.received(event(6)).catch_up
    assert not tracker.received(event(7)).catch_up, "one catch-up at a time"
    update = tracker.caught_up(answer([5, 6, 7], 7))
    assert offsets(update.deliver) == [5, 6, 7]
    assert not update.catch_up
    assert tracker.gaps == 1


def test_only_a_position_ahead_requests_a_catch_up() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    assert not tracker.hub_is_at(position(4)).catch_up
    assert tracker.hub_is_at(position(5)).catch_up


def test_a_catch_up_that_failed_is_requested_again() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    assert tracker.received(event(6)).catch_up
    tracker.catch_up_failed()
    assert tracker.received(event(7)).catch_up


def test_pages_are_requested_up_to_the_last() -> None:
    tracker = ChannelTracker(CHANNEL, position(0))
    first = tracker.caught_up(answer([1, 2], 9, more=True))
    assert (offsets(first.deliver), first.catch_up) == ([1, 2], True)
    last = tracker.caught_up(answer([3, 4], 4))
    assert (offsets(last.deliver), last.catch_up) == ([3, 4], False)


def test_an_answer_with_a_gap_is_delivered_up_to_it() -> None:
    tracker = ChannelTracker(CHANNEL, position(0))
    update = tracker.caught_up(answer([1, 3], 3))
    assert (offsets(update.deliver), update.catch_up) == ([1], True)


def test_an_answer_that_ends_before_its_position_is_requested_again() -> None:
    tracker = ChannelTracker(CHANNEL, position(0))
    assert tracker.caught_up(answer([1], 2)).catch_up


def test_lost_history_means_refetch_and_the_new_position() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    update = tracker.caught_up(answer([], 900, recovered=False))
    assert (update.refetch, update.catch_up) == (True, False)
    assert offsets(tracker.received(event(901)).deliver) == [901]


def test_an_event_of_another_epoch_requests_a_catch_up() -> None:
    tracker = ChannelTracker(CHANNEL, position(4))
    update = tracker.received(event(5, epoch=EPOCH + 1))
    assert (update.deliver, update.catch_up) == ((), True)


def test_ephemeral_events_are_delivered_without_a_position() -> None:
    tracker = ChannelTracker("hub:status", position(4))
    assert offsets(tracker.received(event(None, None)).deliver) == [None]
    assert tracker.position == position(4)


FAULTS = st.lists(
    st.sampled_from(["deliver", "lose", "repeat", "position", "cut"]), min_size=1, max_size=60
)


@given(faults=FAULTS, page=st.integers(1, 4))
def test_any_faults_end_with_the_committed_sequence(faults: list[str], page: int) -> None:
    """A hub behind a lossy connection: one commit per fault, then one that arrives."""
    tracker, got, head = ChannelTracker(CHANNEL, position(0)), list[int | None](), 0

    def catch_up() -> None:
        """As a join does: page by page, until nothing is missing."""
        again = True
        while again:
            tracker.catch_up_sent()
            assert tracker.position is not None
            at = tracker.position.offset
            upto = min(head, at + page)
            update = tracker.caught_up(answer(range(at + 1, upto + 1), upto, more=upto < head))
            got.extend(offsets(update.deliver))
            again = update.catch_up

    for fault in [*faults, "deliver"]:
        head += 1
        if fault == "lose":
            continue
        if fault == "cut":
            tracker.catch_up_failed()
            catch_up()
            continue
        updates = [
            tracker.hub_is_at(position(head))
            if fault == "position"
            else tracker.received(event(head))
        ]
        if fault == "repeat":
            updates.append(tracker.received(event(head)))
        for update in updates:
            got.extend(offsets(update.deliver))
        if any(update.catch_up for update in updates):
            catch_up()

    assert got == list(range(1, head + 1))
