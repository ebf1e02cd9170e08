"""Closed surfaces of each hemisphere's white matter and cortex, of genus 0, as GIFTI, and what they measure."""
