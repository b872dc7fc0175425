"""Makes distributions as `setup.py install` and `setup.py develop` did: without a wheel or a RECORD."""

from __future__ import annotations

from pathlib import Path

PKG_INFO = "Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"


def write_egg_info(site_packages: Path, name: str, version: str = "1.0") -> Path:
    """Write a package, a module and an `.egg-info` folder that lists both. Returns that folder."""
    (site_packages / name / "inner").mkdir(parents=True)
    (site_packages / name / "__init__.py").write_text(f"VERSION = {version!r}\n")
    (site_packages / name / "inner" / "__init__.py").write_text("")
    (site_packages / f"{name}_module.py").write_text("")
    folder = site_packages / f"{name}-{version}-py3.12.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text(PKG_INFO.format(name=name, version=version))
    (folder / "top_level.txt").write_text(f"{name}\n{name}_module\n")
    (folder / "installed-files.txt").write_text(f"../{name}/__init__.py\n../{name}_module.py\nPKG-INFO\n")
    return folder


def write_egg_link(site_packages: Path, name: str, source: Path) -> Path:
    """Write the files that `setup.py develop` makes for the project in `source`. Returns the `.egg-link` file."""
    metadata = source / f"{name}.egg-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "PKG-INFO").write_text(PKG_INFO.format(name=name, version="1.0"))
    (source / f"{name}.py").write_text("VERSION = 'developed'\n")
    (site_packages / "easy-install.pth").write_text(f"{source}\n{source.parent}\n")
    link = site_packages / f"{name}.egg-link"
    link.write_text(f"{source}\n.")
    return link
