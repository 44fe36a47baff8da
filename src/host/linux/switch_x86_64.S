/* x86-64, System V. Callee-saved: rbx, rbp, r12 to r15. Stack growing down from a saved stack pointer:
 *
 *   sp + 0   r15      sp + 24  r12
 *   sp + 8   r14      sp + 32  rbx
 *   sp + 16  r13      sp + 40  rbp      sp + 48  where to continue */
#if defined(__x86_64__)
/* Aligned to a cache line, of which it fills one. */
    .macro SWITCH name, leave
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 6
\name: /* rdi: save, rsi: to, rdx: value */
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    movq %rdx, %rax
    \leave
    .cfi_endproc
    .size \name, .-\name
    .endm

    .macro LEAVE_BY_JUMP
    popq %rcx
    jmp *%rcx
    .endm

    .text
    SWITCH chengi_switch, ret
    SWITCH chengi_switch_tail, LEAVE_BY_JUMP

/* The first continuation of a prepared stack: r12 is the entry, r13 its argument, rax the value. A debugger's
 * walk ends here. */
    .type entry_trampoline, @function
    .p2align 4
entry_trampoline:
    .cfi_startproc
    .cfi_undefined rip
    movq %r13, %rdi
    movq %rax, %rsi
    xorl %ebp, %ebp
    callq *%r12
    ud2
    .cfi_endproc
    .size entry_trampoline, .-entry_trampoline

    .globl chengi_switch_prepare
    .hidden chengi_switch_prepare
    .type chengi_switch_prepare, @function
    .p2align 4
chengi_switch_prepare: /* rdi: top, rsi: entry, rdx: argument */
    .cfi_startproc
    andq $-16, %rdi
    leaq -72(%rdi), %rax /* so that the trampoline finds sp aligned to 16 */
    leaq entry_trampoline(%rip), %rcx
    movq $0, 0(%rax)
    movq $0, 8(%rax)
    movq %rdx, 16(%rax)
    movq %rsi, 24(%rax)
    movq $0, 32(%rax)
    movq $0, 40(%rax)
    movq %rcx, 48(%rax)
    movq $0, 56(%rax)
    ret
    .cfi_endproc
    .size chengi_switch_prepare, .-chengi_switch_prepare
#endif
    .section .note.GNU-stack, "", @progbits
