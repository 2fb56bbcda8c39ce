from __future__ import annotations

import errno

import numpy as np
import pytest
from mdtraj.formats import DCDTrajectoryFile

from dockkit.pipeline import outputs


@pytest.mark.parametrize(("frames", "atoms"), [(1, 4), (3, 7)])
def test_frames_come_back(tmp_path, frames, atoms):
    xyz = np.random.default_rng(1).normal(size=(frames, atoms, 3))
    outputs._write_dcd(tmp_path / "x.dcd", xyz)
    with DCDTrajectoryFile(str(tmp_path / "x.dcd")) as file:
        read = file.read()[0]
    np.testing.assert_allclose(read, xyz, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["x.dcd"]


def test_a_trajectory_written_short_is_a_full_disk_and_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "x.dcd"
    target.write_bytes(b"older")

    class Short:
        """A writer whose disk fills before the last frame; wraps the real one, a C type that must not be subclassed."""

        def __init__(self, *arguments, **options):
            self.file = DCDTrajectoryFile(*arguments, **options)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, xyz):
            self.file.write(xyz[:-1])

    monkeypatch.setattr(outputs, "DCDTrajectoryFile", Short)
    with pytest.raises(OSError, match="written short") as caught:
        outputs._write_dcd(target, np.zeros((3, 5, 3)))
    assert caught.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["x.dcd"]
