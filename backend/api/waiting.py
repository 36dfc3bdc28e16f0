"""Waiting for a task without blocking the event loop. Calls that may take seconds go through asyncio.to_thread, whose threads no other route shares."""

import asyncio

from backend.tasks import Task


async def ended(task: Task) -> Task:
    """Any number may wait, none holds a thread."""
    await asyncio.wrap_future(task.end)
    return task
