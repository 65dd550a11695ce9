"""Folders of images for images_folder.sh, and what Pillow and NumPy make of them."""
import os, shutil, struct, sys, zlib
import h5py, numpy as np
from PIL import Image, ImageOps

def chunk(kind, body): return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

def png(w, h, depth, colour, raw, interlaced=0, more=b"", packed=None):
    """A PNG file of given rows, each with its filter byte."""
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", packed or zlib.compress(raw)) + chunk(b"IEND", b"")

def rows(x): return b"".join(b"\0" + r.tobytes() for r in x)

def adam7(x):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    return b"".join(rows(x[r::dr, c::dc]) for r, c, dr, dc in passes if x[r::dr, c::dc].size)

def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "wb").write(content)

def smooth(r, h, w, c=3):
    """Something like a photo: slopes, edges and noise."""
    y, x = np.mgrid[:h, :w]
    x = np.stack([127 + 90 * np.sin(x / (3 + k) + k) * np.cos(y / (5 + k)) + 30 * (x > w // 2) + r.randn(h, w) * 9 for k in range(c)], -1)
    return np.clip(x, 0, 255).astype("u1").squeeze()

def digits(folder, data):
    """PNG files of the training and test images, in folders t0 to t9; the arrays that a pack must give, as npz."""
    for part in "train", "t10k":
        x = np.frombuffer(open(f"{data}/{part}-images-idx3-ubyte", "rb").read()[16:], "u1").reshape(-1, 28, 28)
        y = np.frombuffer(open(f"{data}/{part}-labels-idx1-ubyte", "rb").read()[8:], "u1")
        for i in range(len(x)): write(f"{folder}/{part}/t{y[i]}/{i:05d}.png", png(28, 28, 8, 0, rows(x[i])))
        order = np.argsort(y, kind="stable")
        np.savez(f"{folder}/{part}.npz", x=x[order], y=y[order])
        h = x[order].shape[0]
        write(f"{folder}/sorted/{part}-images", struct.pack(">IIII", 0x803, h, 28, 28) + x[order].tobytes())
        write(f"{folder}/sorted/{part}-labels", struct.pack(">II", 0x801, h) + y[order].tobytes())

def photos(folder):
    """Images of every kind that is read, of many sizes."""
    r = np.random.RandomState(1)
    for i, (h, w) in enumerate([(40, 60), (61, 40), (24, 24), (24, 31), (9, 13), (200, 333), (25, 24), (1, 90), (77, 5), (300, 24), (24, 27), (29, 24)]):
        im, grey = Image.fromarray(smooth(r, h, w).reshape(h, w, 3)), Image.fromarray(smooth(r, h, w, 1).reshape(h, w))
        for kind in "jpeg", "png": os.makedirs(f"{folder}/{kind}", exist_ok=True)
        im.save(f"{folder}/jpeg/{i}a.jpg", quality=80)
        im.save(f"{folder}/jpeg/{i}b.JPEG", quality=95, subsampling=0, progressive=True)
        grey.save(f"{folder}/jpeg/{i}c.jpg")
        im.save(f"{folder}/png/{i}d.png")
        grey.save(f"{folder}/png/{i}e.PNG")
        im.quantize(50).save(f"{folder}/png/{i}f.png")
        im.quantize(3).save(f"{folder}/png/{i}g.png", bits=2)
        grey.convert("1").save(f"{folder}/png/{i}h.png")
        grey.convert("LA").save(f"{folder}/png/{i}i.png")
        im.convert("RGBA").save(f"{folder}/png/{i}j.png")
        write(f"{folder}/png/{i}k.png", png(w, h, 8, 2, adam7(np.array(im)), 1))
    turned = Image.fromarray(smooth(r, 30, 45))
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = turn
        turned.save(f"{folder}/jpeg/turn{turn}.jpg", exif=exif)
        turned.save(f"{folder}/png/turn{turn}.png", exif=exif)

def by_pillow(path, mode, size):
    im = ImageOps.exif_transpose(Image.open(path)).convert(mode)
    if size:
        w, h = im.size
        short = min(w, h)
        im = im.resize((int(size * w / short), int(size * h / short)), Image.BILINEAR)
        x, y = round((im.size[0] - size) / 2.0), round((im.size[1] - size) / 2.0)
        im = im.crop((x, y, x + size, y + size))
    x = np.array(im)
    return x[None] if mode == "L" else x.transpose(2, 0, 1)

def packed(path):
    with h5py.File(path) as f:
        names = [bytes(n).rstrip(b"\0").decode() for n in f["file"][:]]
        return f["x"][:], f["y"][:], names

def check_photos(folder, path, mode, size):
    x, y, names = packed(path)
    expected = [f"{c}/{n}" for c in sorted(os.listdir(folder)) for n in sorted(os.listdir(f"{folder}/{c}"))]
    assert names == expected, (names, expected)
    assert list(y) == [n[0] == "p" for n in names], y
    for i, n in enumerate(names):
        e = by_pillow(f"{folder}/{n}", mode, size)
        assert x[i].shape == e.shape and (x[i] == e).all(), (n, np.abs(x[i].astype(int) - e).max())
    print(len(names), "images")

def check_digits(path, npz):
    x, y, names = packed(path)
    e = np.load(npz)
    assert x.dtype == "u1" and (x[:, 0] == e["x"]).all() and (y == e["y"]).all()

def bad(folder):
    """One folder for each mistake."""
    r = np.random.RandomState(2)
    x = smooth(r, 12, 12)
    good = png(12, 12, 8, 2, rows(x))
    def case(name, file, content, start=True):
        write(f"{folder}/{name}/a/0.png", good)
        write(f"{folder}/{name}/b/0.png", good)
        if content is not None: write(f"{folder}/{name}/{file}", content)
    def saved(name, file, im, **how):
        case(name, file, None)
        im.save(f"{folder}/{name}/{file}", **how)
    im = Image.fromarray(x)
    case("empty", "b/1.png", b"")
    saved("cmyk", "b/1.jpg", im.convert("CMYK"))
    case("sixteen", "b/1.png", png(12, 12, 16, 0, rows(np.zeros((12, 12), ">u2"))))
    clear = np.full((12, 12, 4), 255, "u1")
    clear[3, 5, 3] = 7
    saved("transparent", "b/1.png", Image.fromarray(clear, "RGBA"))
    case("cut", "b/1.png", good[:-40])
    case("flipped", "b/1.png", good[:-14] + bytes([good[-14] ^ 1]) + good[-13:])
    saved("cut_jpeg", "b/1.jpg", Image.fromarray(smooth(r, 80, 80)))
    jpeg = open(f"{folder}/cut_jpeg/b/1.jpg", "rb").read()
    write(f"{folder}/cut_jpeg/b/1.jpg", jpeg[:len(jpeg) // 2])
    case("text", "b/1.png", b"this is no image, whatever its name says\n")
    case("page", "b/1.jpg", b"<!doctype html><html><body>404</body></html>")
    saved("gif", "b/1.gif", im)
    case("bomb", "b/1.png", png(60000, 60000, 8, 2, b"", packed=b"x\x9c"))
    case("claims", "b/1.png", png(9000, 9000, 8, 2, b"", packed=zlib.compress(b"\0" * 100)))
    case("grey", "b/1.png", png(12, 12, 8, 0, rows(x[:, :, 0])))
    case("sizes", "b/1.png", png(11, 12, 8, 2, rows(x[:, :11])))
    case("folder", "b/1.png/x", b"")
    case("nested", "b/more/1.png", good)
    case("fifo", "b/1.png", None)
    os.mkfifo(f"{folder}/fifo/b/1.png")
    case("loop", "b/1.png", None)
    os.symlink("1.png", f"{folder}/loop/b/1.png")
    case("nowhere", "b/1.png", None)
    os.symlink("../../none.png", f"{folder}/nowhere/b/1.png")
    case("no_images", "c/notes.txt", b"")
    case("beside", "1.png", good)
    write(f"{folder}/flat/1.txt", b"")
    case("name", "b/1.png", None)
    os.mkdir(os.fsencode(f"{folder}/name/") + b"\xff\xfe")
    case("all_bad", "c/1.png", b"none")
    case("many", "b/1.png", b"none")
    write(f"{folder}/many/a/2.jpg", b"")
    write(f"{folder}/many/a/notes.txt", b"")
    write(f"{folder}/many/a/.DS_Store", b"")

if __name__ == "__main__":
    globals()[sys.argv[1]](*[int(a) if a.isdigit() else a for a in sys.argv[2:]])
