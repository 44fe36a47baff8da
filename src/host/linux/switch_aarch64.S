/* AArch64, AAPCS64. Callee-saved: x19 to x29, the link register, d8 to d15: 160 bytes below the caller's
 * stack pointer. */
#if defined(__aarch64__)
    .macro SWITCH name, leave
    .globl \name
    .hidden \name
    .type \name, %function
    .p2align 4
\name: /* x0: save, x1: to, x2: value */
    .cfi_startproc
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    mov x0, x2
    \leave x30
    .cfi_endproc
    .size \name, .-\name
    .endm

    .text
    SWITCH chengi_switch, ret
    SWITCH chengi_switch_tail, br

/* The first continuation of a prepared stack: x19 is the entry, x20 its argument, x0 the value. */
    .type entry_trampoline, %function
    .p2align 4
entry_trampoline:
    .cfi_startproc
    .cfi_undefined x30
    mov x1, x0
    mov x0, x20
    mov x29, xzr
    blr x19
    brk #1
    .cfi_endproc
    .size entry_trampoline, .-entry_trampoline

    .globl chengi_switch_prepare
    .hidden chengi_switch_prepare
    .type chengi_switch_prepare, %function
    .p2align 4
chengi_switch_prepare: /* x0: top, x1: entry, x2: argument */
    .cfi_startproc
    and x0, x0, #-16
    sub x0, x0, #160
    adr x9, entry_trampoline
    stp x1, x2, [x0, #0]
    stp xzr, xzr, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    stp xzr, xzr, [x0, #64]
    stp xzr, x9, [x0, #80]
    stp xzr, xzr, [x0, #96]
    stp xzr, xzr, [x0, #112]
    stp xzr, xzr, [x0, #128]
    stp xzr, xzr, [x0, #144]
    ret
    .cfi_endproc
    .size chengi_switch_prepare, .-chengi_switch_prepare
#endif
    .section .note.GNU-stack, "", %progbits
