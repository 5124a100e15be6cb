"""The fields of a class as keyword arguments of a function, for type checkers and for ``help()``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

    import httpx

    from trio_mirror.model import Result

    _P = ParamSpec("_P")
    _Place = TypeVar("_Place")
    _Place_contra = TypeVar("_Place_contra", contravariant=True)
    _R = TypeVar("_R")
    _R_co = TypeVar("_R_co", covariant=True)

    class _Mirrors(Protocol[_Place_contra, _P, _R_co]):
        def __call__(
            self,
            source: _Place_contra,
            target: _Place_contra | None = None,
            transport: httpx.AsyncBaseTransport | None = None,
            transform: Callable[[bytes], bytes] | None = None,
            on_result: Callable[[Result], None] | None = None,
            *positional: _P.args,
            **choices: _P.kwargs,
        ) -> _R_co: ...


def keywords_of(
    declared: Callable[_P, object],
) -> Callable[[Callable[Concatenate[_Place, _Place | None, ...], _R]], _Mirrors[_Place, _P, _R]]:
    """Gives a function of places, hooks and ``**choices`` the keyword arguments of a class in their place."""

    def decorate(function: Any) -> Any:
        own = inspect.signature(function)
        kept = [it for it in own.parameters.values() if it.kind is not it.VAR_KEYWORD]
        choices = inspect.signature(declared).parameters.values()
        function.__signature__ = own.replace(parameters=[*kept, *choices])
        return function

    return decorate
