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
    _Source = TypeVar("_Source")
    _Target = TypeVar("_Target")
    _Source_contra = TypeVar("_Source_contra", contravariant=True)
    _Target_contra = TypeVar("_Target_contra", contravariant=True)
    _R = TypeVar("_R")
    _R_co = TypeVar("_R_co", covariant=True)

    class _Mirrors(Protocol[_Source_contra, _Target_contra, _P, _R_co]):
        def __call__(
            self,
            source: _Source_contra,
            target: _Target_contra | None = None,
            transport: httpx.AsyncBaseTransport | None = None,
            transform: Callable[[bytes], bytes] | None = None,
            on_result: Callable[[Result], None] | None = None,
            *positional: _P.args,
            **choices: _P.kwargs,
        ) -> _R_co: ...


def keywords_of(
    declared: Callable[_P, object],
) -> Callable[[Callable[Concatenate[_Source, _Target | None, ...], _R]], _Mirrors[_Source, _Target, _P, _R]]:
    """Gives a function of places, hooks and ``**choices`` the keyword arguments of a class in their place."""

    def decorate(function: Any) -> Any:
        own = inspect.signature(function)
        kept = [it for it in own.parameters.values() if it.kind is not it.VAR_KEYWORD]
        choices = inspect.signature(declared).parameters.values()
        function.__signature__ = own.replace(parameters=[*kept, *choices])
        return function

    return decorate


def keywords_like(
    declared: _Mirrors[_Source, _Target, _P, object],
) -> Callable[[Callable[Concatenate[_Source, _Target | None, ...], _R]], _Mirrors[_Source, _Target, _P, _R]]:
    """Gives a function the arguments of another one, to which it passes them on."""

    def decorate(function: Any) -> Any:
        returned = inspect.signature(function).return_annotation
        function.__signature__ = inspect.signature(declared).replace(return_annotation=returned)
        return function

    return decorate
