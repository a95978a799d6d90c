"""Draw docs/pictures again, of the answers that are kept there: `python -m pictures`."""

from pictures.files import draw

if __name__ == "__main__":
    draw()
