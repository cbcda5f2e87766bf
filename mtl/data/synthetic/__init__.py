"""Rendered maritime sequences in which each of the ten conditions is caused on purpose."""

from mtl.data.synthetic.cache import embedded_dataset
from mtl.data.synthetic.sequence import RenderedSequence, render_sequence
from mtl.data.synthetic.writer import render_dataset

__all__ = ["RenderedSequence", "embedded_dataset", "render_dataset", "render_sequence"]
