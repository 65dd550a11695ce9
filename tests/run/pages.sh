# The pages are true: every command in them parses; every file, key and identifier that they name exists; every link leads somewhere;
# nothing that belongs on a page is missing; README.md has at most 170 lines. See pages.py.
exec /usr/bin/python3 "$(dirname "$0")/pages.py"
