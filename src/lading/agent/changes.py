"""Tells async streamers that a rollout has something new, so that they need not keep asking the disk."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Subscription:
    """One streamer's interest in one rollout; belongs to the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def notify(self) -> None:
        """Wake the streamer; callable from any thread, also while its loop is being closed."""
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, and with it the streamer
            self._loop.call_soon_threadsafe(self._news.set)

    async def wait(self, limit: float) -> bool:
        """Wait until something was published since the last call, at most ``limit`` seconds; tell which it was."""
        try:
            await asyncio.wait_for(self._news.wait(), limit)
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Changes:
    """Where threads publish the numbers of rollouts that moved, and streamers subscribe to them."""

    def __init__(self) -> None:
        # Re-entrant, because the signal that ends the agent closes the streams wherever the main thread is.
        self._lock = threading.RLock()
        self._subscriptions: dict[int, set[Subscription]] = {}
        self.closed = False

    def close(self) -> None:
        """End every stream: the agent is about to go, and clients take up their streams with the next one."""
        self.closed = True
        with self._lock:
            numbers = list(self._subscriptions)
        for number in numbers:
            self.publish(number)

    def publish(self, number: int) -> None:
        """Say that rollout ``number`` has a new event or an outcome; never blocks and never fails the publisher."""
        with self._lock:
            interested = list(self._subscriptions.get(number, ()))
        for subscription in interested:
            subscription.notify()

    @contextmanager
    def subscribe(self, number: int) -> Iterator[Subscription]:
        """Subscribe to a rollout. Read the journal *after* subscribing, so that nothing falls in between."""
        subscription = Subscription()
        with self._lock:
            self._subscriptions.setdefault(number, set()).add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                remaining = self._subscriptions[number]
                remaining.discard(subscription)
                if not remaining:
                    del self._subscriptions[number]
