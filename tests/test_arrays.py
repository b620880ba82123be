"""Files of numbers are read or refused by their name, whatever they are, without using much time or memory."""

import io
import itertools
import os
import zipfile

import numpy as np
import pytest
import scipy.io

import astrojax as aj
from astrojax._internal.arrays import MAX_BYTES, MAX_LINE, read_array
from astrojax._internal.files import file_sha256

TABLE = np.array([[1, -1, 1], [-1, -1, 0.5]])


def npy(shape, dtype="<f8", data=b"", version=(1, 0)):
    """A file whose header promises an array of some shape and type."""
    file = io.BytesIO()
    write = np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    write(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


@pytest.mark.parametrize(
    "text",
    [
        "1,-1,1\n-1,-1,0.5",
        "1, -1, 1\r\n\r\n-1,-1,.5\r\n",
        "a,b,c\n1,-1,1\n-1,-1,0.5\n",
        '"size, cm";b;c\n1;-1;1\n-1;-1;0,5\n',
        "größe\tb\tc\n1\t-1\t1\n-1\t-1\t0,5\n",
        "0,1,2\n1,-1,1\n-1,-1,0.5\n",
        "# a note\n\n1,-1,1 # another\n\n-1,-1,5e-1\n",
        '"x","y","z"\n"1","-1","1"\n"-1","-1","0.5"',
        "  1   -1 1\n-1 -1   0.5",
        "1,-1,1\r-1,-1,0.5\r",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_text_has_any_of_the_usual_separators_and_perhaps_a_header(text, encoding, tmp_path):
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    np.testing.assert_array_equal(read_array(tmp_path / "a.csv"), TABLE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n\n1,x\n", r"'x' at row 2, column 2 \(line 4\) is not a number"),
        (b"a,b\n1,2\n1\n", r"row 2 \(line 3\) has 1 columns; those before have 2"),
        (b"1,5;2\n1,000,5;2\n", "'1.000.5' at row 2, column 1"),
        ("1,\N{MINUS SIGN}1\n".encode(), "column 2"),
        (b",0,1,2\n0,1,-1,1\n", r"index=False"),
        (b'"","V1"\n"1",1\n', r"row.names=FALSE"),
        ("1,2\n".encode("utf-16"), "NUL.*UTF-16"),
        (b"1," * (MAX_LINE // 2 + 1), "line 1 has more than"),
        (b"1" * 200_000, "larger than field limit"),
    ],
)
def test_text_that_is_no_table_is_refused_saying_where(content, words, tmp_path):
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(aj.InputError, match=rf"bad\.csv cannot be read: .*{words}"):
        read_array(tmp_path / "bad.csv")


def test_arrays_of_every_type_and_order_are_read(tmp_path):
    for dtype, order in itertools.product(["?", "i1", ">i4", "<u8", "f2", ">f8"], "CF"):
        values = np.asarray(np.arange(12).reshape(3, 4) % 3, dtype, order=order)
        np.save(tmp_path / "a.npy", values)
        np.savez_compressed(tmp_path / "a.npz", values)
        for name in ("a.npy", "a.npz"):
            np.testing.assert_array_equal(read_array(tmp_path / name), values)
    (tmp_path / "b.npy").write_bytes(npy((2,), data=bytes(16), version=(2, 0)))
    np.testing.assert_array_equal(read_array(tmp_path / "b.npy"), np.zeros(2))


def zipped(*contents, how=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"a{number}.npy", content)
    return file.getvalue()


GOOD = npy((2,), data=bytes(16))
DAMAGED = bytearray(zipped(GOOD, how=zipfile.ZIP_STORED))
DAMAGED[DAMAGED.index(GOOD) + len(GOOD) - 1] ^= 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", b"", "does not begin"),
        ("a.npy", b"\x93NUMPY", "magic"),
        ("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}", "a.npy"),  # a header of 2 GiB
        ("a.npy", npy((10**6, 10**6)), "more than 4096 MiB"),
        ("a.npy", npy((10**4, 10**4), "|i1", bytes(100)), "100,000,000 bytes; there are 100"),
        ("a.npy", npy((2,), data=bytes(17)), "16 bytes; there are 17"),
        ("a.npy", npy((-1, -2), data=bytes(16)), "a.npy"),
        ("a.npy", npy((0, 10**30)), "a.npy"),
        ("a.npy", npy((2,), "|O", bytes(16)), "real numbers .* object"),
        ("a.npy", b"\x93NUMPY\x01\x00\x04\x00((((", "a.npy"),
        ("a.npz", zipped(), "no arrays"),
        ("a.npz", zipped(GOOD, GOOD), r"holds the arrays \['a0', 'a1'\]; choose one"),
        ("a.npz", zipped(GOOD, how=zipfile.ZIP_LZMA), "savez_compressed"),
        ("a.npz", zipped(npy((MAX_BYTES // 8 + 1,), "|i1", bytes(2**20))), "more than 4096 MiB"),
        ("a.npz", bytes(DAMAGED), "CRC"),
    ],
)
def test_damaged_and_deceiving_files_are_refused(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(aj.InputError, match=words):
        read_array(tmp_path / name)


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.npy").mkdir()
    for name, target in (("link.csv", "pipe.csv"), ("zero.npy", "/dev/zero"), ("lost.npy", "nowhere")):
        (tmp_path / name).symlink_to(target)
    for name in ("pipe.csv", "folder.npy", "link.csv", "zero.npy"):
        with pytest.raises(aj.InputError, match=f"{name} is not a file"):
            read_array(tmp_path / name)
        with pytest.raises(OSError, match="not a file"):
            file_sha256(tmp_path / name)
    for name in ("lost.npy", "nul\0.npy"):
        with pytest.raises(aj.InputError, match="does not exist"):
            read_array(tmp_path / name)
    with pytest.raises(aj.InputError, match="cannot be read"):
        read_array(tmp_path / ("long" * 100 + ".npy"))


def test_other_kinds_of_files_are_refused_with_the_line_that_converts_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scipy.io.savemat("a.mat", {"NAME": TABLE})
    np.savetxt("b.txt", TABLE)
    TABLE.dump("c.pkl")
    for name in ("a.mat", "b.txt", "c.pkl"):
        with pytest.raises(aj.InputError, match=r"must end in \.npy, \.npz or \.csv; make one with: ") as refused:
            read_array(name)
        exec(str(refused.value).partition("with: ")[2], {})
        np.testing.assert_array_equal(read_array(f"{name[0]}.npy"), TABLE)
    for name in ("d.foo", "d", ""):
        (tmp_path / "d").with_suffix(".foo").touch()
        with pytest.raises(aj.InputError, match=r"must end in|is not a file|does not exist"):
            read_array(name)
