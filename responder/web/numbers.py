"""Numbers in addresses, as large as a row's id can be."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class Number(Convertor[int]):
    """`{id:number}` in a route. A longer number is an address that does not exist."""

    regex = "[0-9]{1,18}"  # below 2^63, which both databases take

    def convert(self, value: str) -> int:
        """From the address."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Into an address."""
        return str(value)


register_url_convertor("number", Number())
