"""Handlers of loggers that write to stderr or stdout, as descriptions that another process can make them from."""

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

_STREAMS = ("stderr", "stdout")


class ConsoleHandler(NamedTuple):
    """The description of a handler.

    Parameters
    ----------
    logger : str
        The name of the logger that has it; empty for the root logger.
    propagate : bool
        Whether that logger passes its records on to the loggers above it.
    stream : {"stderr", "stdout"}
        The stream of `sys` that it writes to.
    level : int
        The level below which it writes nothing.
    format, datefmt, style : str or None
        The arguments of its `logging.Formatter`; None without one.
    """

    logger: str
    propagate: bool
    stream: str
    level: int
    format: str | None
    datefmt: str | None
    style: str | None


class _MirroredHandler(logging.StreamHandler[TextIO]):
    # The stream is looked up for each record, because a task may have replaced it.
    def __init__(self, look: ConsoleHandler) -> None:
        logging.Handler.__init__(self, look.level)
        self.look = look
        if look.style is not None:
            self.setFormatter(logging.Formatter(look.format, look.datefmt, look.style))  # type: ignore[arg-type]

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        stream: TextIO = getattr(sys, self.look.stream)
        return stream

    def emit(self, record: logging.LogRecord) -> None:
        logger = logging.getLogger(self.look.logger)
        # A module that tasks import may have given the logger the same handler that it gave it in the script.
        if not any(_look_of(other, logger) == self.look for other in logger.handlers if other is not self):
            super().emit(record)


def read_handlers() -> list[ConsoleHandler]:
    """Return the descriptions of the handlers that write to the console with a plain format and without filters."""
    loggers = [logging.root, *logging.root.manager.loggerDict.copy().values()]
    return [
        look
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
        if (look := _look_of(handler, logger)) is not None
    ]


def write_handlers(before: Sequence[ConsoleHandler], looks: Sequence[ConsoleHandler]) -> None:
    """Give loggers the handlers that are in ``looks`` alone, and take from them those that are in ``before`` alone."""
    for look in set(before) - set(looks):
        logger = logging.getLogger(look.logger)
        for handler in [handler for handler in logger.handlers if _look_of(handler, logger) == look]:
            logger.removeHandler(handler)
        logger.propagate = True
    for look in dict.fromkeys(looks):
        if look not in before:
            logger = logging.getLogger(look.logger)
            logger.addHandler(_MirroredHandler(look))
            logger.propagate = look.propagate


def _look_of(handler: logging.Handler, logger: logging.Logger) -> ConsoleHandler | None:
    if type(handler) is _MirroredHandler:
        return handler.look
    if type(handler) is not logging.StreamHandler or handler.filters:
        return None
    formatter: Any = handler.formatter
    if formatter is not None and type(formatter) is not logging.Formatter:
        return None
    name = "" if logger is logging.root else logger.name
    with suppress(AttributeError):  # the formatter's members are private
        for stream in _STREAMS:
            if handler.stream in (getattr(sys, stream), getattr(sys, f"__{stream}__")):
                how = (
                    (None, None, None) if formatter is None else (formatter._fmt, formatter.datefmt, _style(formatter))
                )
                return ConsoleHandler(name, logger.propagate, stream, handler.level, *how)
    return None


def _style(formatter: Any) -> str:
    kinds = {logging.PercentStyle: "%", logging.StrFormatStyle: "{", logging.StringTemplateStyle: "$"}
    return kinds.get(type(formatter._style), "%")
