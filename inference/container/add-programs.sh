# Run while an image is built, in /fetachallenge: makes console scripts (package:program …) and compiles the bytecode.
for pair in "$@"; do
  printf '#!/opt/venv/bin/python\nfrom %s.cli import main\n\nif __name__ == "__main__":\n    raise SystemExit(main())\n' \
    "${pair%%:*}" >"/usr/local/bin/${pair##*:}"
  chmod 755 "/usr/local/bin/${pair##*:}"
done
python -m compileall -q --invalidation-mode unchecked-hash .
