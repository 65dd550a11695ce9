"""Cut the first rows of an IDX data set: subset.py FROM TO TRAIN_ROWS TEST_ROWS."""
import gzip
import struct
import sys

source, target, n_train, n_test = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for part, n in (("train", n_train), ("t10k", n_test)):
    with gzip.open(f"{source}/{part}-images-idx3-ubyte.gz") as f:
        f.read(16)
        pixels = f.read(n * 784)
    with gzip.open(f"{source}/{part}-labels-idx1-ubyte.gz") as f:
        f.read(8)
        labels = f.read(n)
    with open(f"{target}/{part}-images-idx3-ubyte", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, n, 28, 28) + pixels)
    with open(f"{target}/{part}-labels-idx1-ubyte", "wb") as f:
        f.write(struct.pack(">II", 0x801, n) + labels)
