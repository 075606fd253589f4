"""Requests at one receiver take turns."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.adapters.outbound.turns import Turns
from shared.domain.verdict import Answer, Failure
from shared.ports.sender import NoTurn, Outgoing, Sender
from tests.contracts.sender.senders import SHORT, post
from tests.receivers import Receiver

LONG = timedelta(minutes=1)


async def in_turn(sender: Sender, outgoing: Outgoing) -> Answer:
    async with sender.turn(outgoing.url) as refusal:
        return refusal or await sender.send(outgoing)


async def test_only_so_many_requests_run_at_one_receiver(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """The others wait, and their timeout with them: the receiver is not slow, we are many."""
    sender = new_sender(turns=Turns(2))
    receiver.never_answers(times=2)
    slow = [asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT))) for _ in range(2)]
    patient = asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT)))

    answers = await asyncio.gather(*slow, patient)
    await sender.close()

    assert [answer.failure for answer in answers] == [Failure.TIMEOUT, Failure.TIMEOUT, None]


async def test_a_slow_receiver_holds_up_no_other(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(turns=Turns(1))
    receiver.never_answers()
    waiting = [asyncio.ensure_future(in_turn(sender, post(receiver.url))) for _ in range(3)]
    await receiver.got(1)

    async with Receiver() as quick:
        answer = await in_turn(sender, post(quick.url))

    assert answer.is_success
    assert len(receiver.requests) == 1
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await sender.close()


async def test_nobody_waits_at_a_receiver_that_hangs(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """Who waits holds a place that is for all receivers; soon nothing would be delivered to any."""
    sender = new_sender(turns=Turns(1, silence=SHORT))
    receiver.never_answers(times=1)
    hanging = asyncio.ensure_future(in_turn(sender, post(receiver.url)))
    await receiver.got(1)

    refused = await asyncio.gather(*(in_turn(sender, post(receiver.url)) for _ in range(3)))

    assert {(answer.failure, answer.status_code) for answer in refused} == {(Failure.TIMEOUT, 0)}
    assert len(receiver.requests) == 1
    hanging.cancel()
    await asyncio.wait([hanging])
    assert (await in_turn(sender, post(receiver.url))).is_success
    await sender.close()


async def test_one_waits_at_a_receiver_that_answers_now_and_then(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """It is slow, and gets everything."""
    sender = new_sender(turns=Turns(1, silence=timedelta(seconds=1), patience=LONG))
    receiver.answers_with(204, delay=3 * SHORT)

    answers = await asyncio.gather(*(in_turn(sender, post(receiver.url)) for _ in range(9)))

    assert all(answer.is_success for answer in answers)
    await sender.close()


async def test_nobody_waits_long_at_a_receiver_that_is_slow(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """It answers, so nothing has failed; what would wait for it comes again later."""
    sender = new_sender(turns=Turns(1, silence=LONG, patience=SHORT))
    receiver.never_answers(times=1)
    slow = asyncio.ensure_future(in_turn(sender, post(receiver.url)))
    await receiver.got(1)

    turned_away = await asyncio.gather(
        *(in_turn(sender, post(receiver.url)) for _ in range(3)), return_exceptions=True
    )

    assert [type(each) for each in turned_away] == [NoTurn] * 3
    assert len(receiver.requests) == 1
    slow.cancel()
    await asyncio.wait([slow])
    # A turn that is free is taken, whatever was before.
    assert (await in_turn(sender, post(receiver.url))).is_success
    await sender.close()


async def test_one_waits_on_in_a_line_that_is_long_but_moves(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """There is much for the receiver, or we are slow ourselves; to send anybody away is more work yet."""
    sender = new_sender(turns=Turns(1, silence=LONG, patience=timedelta(seconds=0.5), brisk=1))
    receiver.answers_with(204, delay=timedelta(seconds=0.1))

    answers = await asyncio.gather(*(in_turn(sender, post(receiver.url)) for _ in range(9)))

    assert all(answer.is_success for answer in answers)
    await sender.close()


async def test_after_one_has_waited_in_vain_the_next_do_not_wait(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    """However many come, they hold no place among those that are under way."""
    turns = Turns(1, silence=LONG, patience=SHORT)
    sender = new_sender(turns=turns)
    receiver.never_answers(times=1)
    slow = asyncio.ensure_future(in_turn(sender, post(receiver.url)))
    await receiver.got(1)
    with pytest.raises(NoTurn):
        await in_turn(sender, post(receiver.url))

    turns.patience_seconds = LONG.total_seconds()
    with pytest.raises(NoTurn):
        await in_turn(sender, post(receiver.url))

    slow.cancel()
    await asyncio.wait([slow])
    await sender.close()


async def test_who_gives_up_waiting_takes_no_turn(
    new_sender: Callable[..., Sender], receiver: Receiver
) -> None:
    sender = new_sender(turns=Turns(1))
    receiver.never_answers(times=1)
    first, given_up, third = (
        asyncio.ensure_future(in_turn(sender, post(receiver.url, timeout=SHORT))) for _ in range(3)
    )
    await receiver.got(1)

    given_up.cancel()
    answers = await asyncio.gather(first, third)
    await sender.close()

    assert [answer.failure for answer in answers] == [Failure.TIMEOUT, None]
    assert len(receiver.requests) == 2


async def test_a_url_that_is_none_has_its_turns_too(sender: Sender) -> None:
    """It was stored by a release that knew it; the attempt fails, and says why."""
    answer = await in_turn(sender, post("gopher://receiver.example/"))

    assert answer.failure is Failure.CONNECTION
