"""Looks a host up, once: who sends connects to the addresses that are found here, and no others."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from api.security.outbound_addresses import Address, Destination, refuse_private

LOOKUPS_AT_ONCE = 32
# the loop's own few threads would let one slow name hold up everything else
_threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "lookup")


class NotResolvedError(Exception):
    """A host that has no address."""


async def look_up(destination: Destination) -> list[Address]:
    """Give the addresses of a host, in the order in which to try them.

    Raises NotResolvedError, and NotPublicError where any of them is not public.
    """
    if destination.literal is not None:
        found = [destination.literal]
    else:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_threads, _ask_the_system, destination)
    refuse_private(destination, found)
    return found


def _ask_the_system(destination: Destination) -> list[Address]:
    try:
        found = socket.getaddrinfo(
            destination.host, destination.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        addresses = [ip_address(str(place[0])) for *_, place in found]
    except (OSError, ValueError) as error:
        raise NotResolvedError from error
    if not addresses:
        raise NotResolvedError
    return list(dict.fromkeys(addresses))
