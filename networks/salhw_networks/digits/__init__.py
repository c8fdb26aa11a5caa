"""Digits that neurons learn to tell apart without being told which is which (Diehl and Cook 2015)."""
