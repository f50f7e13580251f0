"""How many report pages may be open at once."""

from __future__ import annotations

from bokeh.server.contexts import ApplicationContext

# A page that was left keeps its session for a minute, so that a lost connection can return. When room is
# short, those left for longer than this give theirs up.
HURRIED_LIFETIME_MS = 3_000


async def has_room(context: ApplicationContext, limit: int) -> bool:
    """Whether one more session may be made."""
    if _count(context) >= limit:
        await context._cleanup_sessions(HURRIED_LIFETIME_MS)
    return _count(context) < limit


def _count(context: ApplicationContext) -> int:
    return len(context._sessions) + len(context._pending_sessions)
