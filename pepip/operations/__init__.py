"""What a user can ask for. Each operation yields its progress and returns a summary; none prints.

The command line and the app are two faces of these same operations.
"""
