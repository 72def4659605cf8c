# SPDX-License-Identifier: MIT
# What every board's openocd.cfg needs to know.

# Takes the program's address from board.json, which has one key a line.
proc farm_read_board {path} {
    set file [open $path r]
    set text [read $file]
    close $file
    if { ![regexp {"program_address": *"?([0-9a-fA-Fx]+)} $text all address] } {
        error "$path: no program_address"
    }
    set ::farm_program_address $address
    return
}
