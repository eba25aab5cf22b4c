"""A group of commands one of which is meant where no other is named: ``genotools variants MODEL ...``."""

from typing import Any

from typer.core import TyperGroup

__all__ = ["DefaultCommandGroup"]


class DefaultCommandGroup(TyperGroup):
    """Takes arguments that do not begin with the name of a command for those of its first one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command in front where none is named."""
        if not args or args[0] not in self.commands:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)
