# SPDX-License-Identifier: MIT
# Flashing an STM32 board: the procedures that every board's openocd.cfg offers to the agent. A procedure ends with the
# board running, or with an error (OpenOCD then exits with 1).

source [file join [file dirname [info script]] farm_board.tcl]

proc farm_write_program {program} {
    flash write_image erase $program $::farm_program_address bin
    verify_image $program $::farm_program_address bin
}

# Firmware and program.
proc farm_flash {firmware program} {
    reset init
    flash write_image erase $firmware
    verify_image $firmware
    farm_write_program $program
    reset run
}

# The program alone, beside the firmware that is already there.
proc farm_flash_program {program} {
    reset init
    farm_write_program $program
    reset run
}

proc farm_reset {} {
    reset run
}
