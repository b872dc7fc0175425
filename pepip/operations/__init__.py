"""The operations: everything that a user can ask for. No operation prints.

An operation that takes time is a `Generator[Progress, None, T]`: it yields its progress and returns its result. It
calls another operation by `yield from`. An operation that answers at once is a plain function. The command line and
the app are two faces of these same operations.
"""
