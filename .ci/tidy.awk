# Reads Rust files and reports, as file:line: message,
#
#   - the keyword `unsafe` outside crates/tensor-core/src/kernel/;
#   - an `unsafe` block or impl in that folder that has no comment with `SAFETY:`
#     within the three lines above it (a comment that runs over several lines
#     counts from its last line);
#   - todo!, unimplemented!, dbg! and #[ignore];
#   - a file of more than 500 lines, unless it is named tests.rs or lies in tests/.
#
# Comments, strings and character literals are blanked out first, so the words may
# be written about. Works in any POSIX awk; run it with LC_ALL=C.

BEGIN { max_lines = 500; reach = 3 }

function report(line, message) {
    print file ":" line ": " message
    bad++
}

function end_of_file() {
    if (file == "") return
    if (lines > max_lines && !is_test)
        report(lines, "file has " lines " lines, more than " max_lines)
    if (depth > 0 || in_string)
        report(lines, "comment or string is still open at the end of the file")
}

# Splits a line into `code` and `comment`. What is open at its end (block comments
# by depth, strings) carries over to the next line.
function split_line(s,    i, n, c, rest, hashes) {
    code = ""
    comment = ""
    n = length(s)
    i = 1
    while (i <= n) {
        c = substr(s, i, 1)
        if (depth > 0) {
            if (substr(s, i, 2) == "*/") { depth--; i += 2; code = code " "; continue }
            if (substr(s, i, 2) == "/*") { depth++; i += 2; continue }
            comment = comment c
            i++
        } else if (in_string) {
            if (raw) {
                if (substr(s, i, length(closing)) == closing) {
                    i += length(closing); in_string = 0; code = code "\""
                } else i++
            } else if (c == "\\") i += 2
            else { if (c == "\"") { in_string = 0; code = code "\"" } i++ }
        } else if (substr(s, i, 2) == "//") {
            comment = comment substr(s, i + 2)
            i = n + 1
        } else if (substr(s, i, 2) == "/*") {
            depth = 1
            i += 2
        } else if (c == "\"") {
            in_string = 1; raw = 0; code = code c; i++
        } else if (c == "'") {
            rest = substr(s, i)
            # '\n', '\'', '\u{1F600}'; 'x'; a character of several bytes; else a lifetime
            if (match(rest, /^'\\.[^']*'/) || match(rest, /^'[^'\\]'/) || match(rest, /^'[^ -~\t']+'/)) {
                code = code "' '"
                i += RLENGTH
            } else { code = code c; i++ }
        } else if (c ~ /[A-Za-z_]/) {
            rest = substr(s, i)
            if (match(rest, /^(r|br|cr)#*"/)) {
                hashes = substr(rest, 1, RLENGTH)
                gsub(/[^#]/, "", hashes)
                closing = "\"" hashes
                in_string = 1; raw = 1
                code = code "\""
                i += RLENGTH
            } else {
                match(rest, /^[A-Za-z0-9_]+/)
                code = code substr(rest, 1, RLENGTH)
                i += RLENGTH
            }
        } else if (c ~ /[0-9]/) {
            # A number goes with its suffix, so that no suffix starts a word.
            match(substr(s, i), /^[A-Za-z0-9_]+/)
            code = code substr(s, i, RLENGTH)
            i += RLENGTH
        } else { code = code c; i++ }
    }
}

FNR == 1 {
    end_of_file()
    file = FILENAME
    sub(/^\.\//, "", file)
    is_test = (file ~ /(^|\/)tests\.rs$/ || file ~ /(^|\/)tests\//)
    in_kernel = (file ~ /^crates\/tensor-core\/src\/kernel\//)
    depth = 0
    in_string = 0
    safety_line = -1000
    safety_open = 0
    lines = 0
}

{
    sub(/\r$/, "")
    lines = FNR
    split_line($0)

    if (code ~ /(^|[^A-Za-z0-9_])(todo|unimplemented|dbg)[ \t]*![ \t]*[({[]/)
        report(FNR, "todo!, unimplemented! or dbg!")
    if (code ~ /#!?[ \t]*\[[ \t]*ignore[ \t]*(\]|=)/)
        report(FNR, "#[ignore]: a test either runs or goes")

    if (code ~ /(^|[^A-Za-z0-9_])unsafe([^A-Za-z0-9_]|$)/) {
        if (!in_kernel)
            report(FNR, "unsafe code outside crates/tensor-core/src/kernel/")
        else if (code ~ /(^|[^A-Za-z0-9_])unsafe[ \t]*(\{|$)/ || code ~ /(^|[^A-Za-z0-9_])unsafe[ \t]+impl([^A-Za-z0-9_]|$)/) {
            if (FNR - safety_line > reach)
                report(FNR, "unsafe without a SAFETY: comment in the " reach " lines above")
        }
    }

    # After the check, so that only the lines above count.
    only_comment = (code ~ /^[ \t]*$/ && (comment != "" || depth > 0))
    if (comment ~ /SAFETY:/) { safety_line = FNR; safety_open = only_comment }
    else if (safety_open && only_comment) safety_line = FNR
    else safety_open = 0
}

END {
    end_of_file()
    checked = ARGC - 1
    if (bad) { print "tidy: " bad " offence(s) in " checked " files"; exit 1 }
    print "tidy: " checked " files, nothing found"
}
