"""What a user can ask for. None of it prints.

An operation that takes time is a `Generator[Progress, None, T]`: it yields its progress and returns its result. One
operation takes the result of another by `yield from`. What is answered at once is a plain function.
The command line and the app are two faces of these same operations.
"""
