"""Where a listing of a segment's members stands, over reconnects. Pure: the clients do the waiting."""

from __future__ import annotations

from collections.abc import Callable

from driftline.client.messages import members_of
from driftline.client.types import SegmentMember
from driftline.serving.v1 import score_service_pb2 as pb


class Listing:
    """What is still to be listed, and the request for it.

    Args:
        request: makes the request, of the members that are left (0: all) and a page token.
        limit: at most so many members; 0: all.
    """

    def __init__(self, request: Callable[[int, str], pb.ListSegmentMembersRequest], limit: int) -> None:
        self._request = request
        self._bounded = limit > 0
        self._left = limit
        self._token = ""
        self.done = False

    def request(self) -> pb.ListSegmentMembersRequest:
        """The request for what has not been listed yet."""
        return self._request(self._left, self._token)

    def take(self, response: pb.ListSegmentMembersResponse) -> list[SegmentMember]:
        """The members of a response."""
        self._token = response.next_page_token
        members = members_of(response)
        if self._bounded:
            self._left -= len(members)
        self.done = not self._token or (self._bounded and self._left <= 0)
        return members
