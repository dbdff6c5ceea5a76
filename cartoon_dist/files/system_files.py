"""Files and folders that operating systems leave among a user's pictures."""

_SYSTEM_FILES = frozenset(
    {".ds_store", ".localized", ".apdisk", "icon\r", ".directory", ".nomedia", "picasa.ini", ".picasa.ini"}
    | {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"}
)

_SYSTEM_FOLDERS = frozenset(
    {"__macosx", ".appledouble", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems", "@eadir"}
    | {"$recycle.bin", "system volume information", "lost+found", ".thumbnails"}
)


def is_system_file(name: str) -> bool:
    """Whether macOS, Windows or a file manager wrote a file for itself: `._photo.jpg` is no photo."""
    return name.startswith("._") or name.lower() in _SYSTEM_FILES


def is_system_folder(name: str) -> bool:
    """The same of a folder: `__MACOSX`, `$RECYCLE.BIN`."""
    return name.lower() in _SYSTEM_FOLDERS
